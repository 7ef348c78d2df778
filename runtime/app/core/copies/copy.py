"""What a revision says of a copy, and what this process knows of itself."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Self
from uuid import UUID

BANNER: Final = "This is a copy of {of} as of {taken:%Y-%m-%d %H:%M} UTC. It sends nothing to anybody, and it is deleted on {until}."
"""What people are told on every page of a copy."""


@dataclass(frozen=True, slots=True)
class Copy:
    of: str
    """The slug of the clinic it was made from."""
    tenant_id: UUID
    taken: datetime
    until: date

    @classmethod
    def in_document(cls, document: Mapping[str, Any]) -> Self | None:
        """What the revision says; None for a clinic of its own."""
        part = document.get("isolated")
        if part is None:
            return None
        return cls(part["of"], UUID(part["tenant_id"]), datetime.fromisoformat(part["taken_at"]), date.fromisoformat(part["until"]))

    @property
    def banner(self) -> str:
        return BANNER.format(**self.words())

    def words(self) -> dict[str, Any]:
        """What texts about it are filled with."""
        return {"of": self.of, "taken": self.taken, "until": self.until}


_current: Copy | None = None


def install(copy: Copy | None) -> None:
    """Make this what the process is a copy of; the serving stage does it before anything is mounted."""
    global _current
    _current = copy


def current() -> Copy | None:
    return _current


def is_copy(variables: Mapping[str, str] = os.environ) -> bool:
    """Whether the revision this process is started with makes it a copy. An unreadable revision is for others to complain of."""
    return _says(variables, "isolated")


def sends_nothing(variables: Mapping[str, str] = os.environ) -> bool:
    """Whether the revision this process is started with lets it reach nobody: it is a copy, or a demonstration."""
    return _says(variables, "isolated", "demo")


def _says(variables: Mapping[str, str], *parts: str) -> bool:
    file = variables.get("DENTALPIN_REVISION_FILE")
    if not file:
        return False
    try:
        document = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and any(document.get(part) is not None for part in parts)
