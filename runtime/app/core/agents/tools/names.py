"""Names a model provider takes for a tool: letters, digits, `_` and `-`, 64 at most. Ours have a dot between module and tool."""

import hashlib
import re
from collections.abc import Iterable
from typing import Final

LONGEST: Final = 64
LEGAL: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def legal_names(qualified: Iterable[str]) -> dict[str, str]:
    """A provider-legal name for each qualified one, no two the same; the same names give the same answer in any order."""
    found: dict[str, str] = {}
    for name in sorted(qualified):
        plain = name.replace(".", "__")
        found[name] = plain if len(plain) <= LONGEST and plain not in found.values() else _shortened(name, plain)
    return found


def _shortened(name: str, plain: str) -> str:
    mark = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{plain[: LONGEST - len(mark) - 1]}_{mark}"
