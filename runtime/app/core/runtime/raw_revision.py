"""The revision file as plain JSON: all the quick check needs, without the model and its library."""

import json
from pathlib import Path
from typing import Any

from app.core.runtime.errors import RevisionUnreadable
from dentalpin_kit.canonical import digest


def read_raw(file: Path) -> dict[str, Any]:
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RevisionUnreadable(f"the revision file {file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RevisionUnreadable(f"the revision file {file} is not JSON. Deliver it again") from error
    if not isinstance(raw, dict):
        raise RevisionUnreadable(f"the revision file {file} holds no JSON object. Deliver it again")
    return raw


def identity_of(raw: dict[str, Any]) -> str:
    """Digest of the whole document but its digests."""
    return digest({name: value for name, value in raw.items() if name != "digests"})


def identity_in(file: Path) -> str:
    """The identity of the revision in this file, computed, not believed. Raises RevisionUnreadable."""
    return identity_of(read_raw(file))
