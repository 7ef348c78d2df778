"""The chain: what an entry says is digested, and each link is the digest of the one before, the position and that.

    content = SHA-256 of the canonical JSON of {action, actor, at, details, tenant_id}
    link    = SHA-256 of "<link before> <position> <content>"

The database makes the links when a transaction commits (migration 0004), so positions follow commits and have no gaps. Verifying needs
the entries alone. Whoever notes a head elsewhere (`position:link`) can prove later that nothing up to it was changed, not even by somebody
who can rewrite the whole table.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from dentalpin_kit.canonical import canonical_json

START: Final = "0" * 64
"""The link before the first."""
_EXACT: Final = 10.0**16


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as it is stored, exported and verified."""

    position: int
    at: str
    actor: str
    action: str
    tenant_id: str | None
    details: dict[str, Any]
    previous: str
    link: str


@dataclass(frozen=True, slots=True)
class Head:
    position: int
    link: str

    def __str__(self) -> str:
        return f"{self.position}:{self.link}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`broken_at` None: the chain is whole up to `head`."""

    head: Head
    broken_at: int | None = None
    why: str | None = None


def storable(details: dict[str, Any]) -> dict[str, Any]:
    """`details` as the database gives them back: large and negative-zero floats are stored as the numbers they are equal to."""
    return {name: _storable(value) for name, value in details.items()}


def content_of(at: datetime, actor: str, action: str, tenant_id: str | None, details: dict[str, Any]) -> str:
    moment = at.astimezone(UTC).isoformat()
    said = {"action": action, "actor": actor, "at": moment, "details": storable(details), "tenant_id": tenant_id}
    return _sha256(canonical_json(said))


def link_of(previous: str, position: int, content: str) -> str:
    return _sha256(f"{previous} {position} {content}")


def verify(links: Iterable[Link], head: Head | None = None) -> Verdict:
    """Whether these entries, from the first on, are one unbroken chain that ends with `head` (None: wherever it ends)."""
    last = Head(0, START)
    for link in links:
        position = last.position + 1
        if link.position != position:
            return Verdict(last, position, f"entry {position} is missing: after {last.position} comes {link.position}")
        if link.previous != last.link:
            return Verdict(last, position, f"entry {position} does not follow the one before it: one of them was removed, moved or changed")
        content = content_of(datetime.fromisoformat(link.at), link.actor, link.action, link.tenant_id, link.details)
        if link.link != link_of(last.link, position, content):
            return Verdict(last, position, f"entry {position} is not what was written: it was changed or moved")
        last = Head(position, link.link)
        if head is not None and position == head.position and link.link != head.link:
            return Verdict(last, position, f"entry {position} has another link than the head that was noted: the chain was rewritten")
    if head is not None and head.position > last.position:
        return Verdict(last, last.position + 1, f"entries {last.position + 1} to {head.position} are missing at the end")
    return Verdict(last)


def _storable(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if abs(value) >= _EXACT else value + 0.0
    if isinstance(value, dict):
        return {name: _storable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(inner) for inner in value]
    return value


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
