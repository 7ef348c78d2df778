"""What a command that ends leaves for whoever started it: a short JSON document in the file DENTALPIN_REPORT_FILE names.

On Kubernetes that file is the container's termination message, which reaches the platform without any network.
"""

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dentalpin_kit.logs import scrub

MOST_BYTES: Final = 4000
"""Kubernetes keeps 4096."""
_REASON: Final = 400


def leave_word(file: Path | None, code: str, message: str, modules: Sequence[Mapping[str, Any]] = ()) -> None:
    """Write `{code, message, modules: [{name, outcome, reason}]}`, shortened to what is kept. Without a file: nothing."""
    if file is None:
        return
    told = [
        {"name": module["name"], "outcome": str(module["outcome"]), "reason": scrub(module["reason"])[:_REASON]}
        for module in modules
        if module.get("reason")
    ]
    while True:
        text = json.dumps({"code": code, "message": scrub(message)[:1000], "modules": told}, ensure_ascii=False)
        if len(text.encode()) <= MOST_BYTES or not told:
            break
        told.pop()
    # Whoever reads it finds the log's last lines instead.
    with contextlib.suppress(OSError):
        file.write_text(text, encoding="utf-8")
