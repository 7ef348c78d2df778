"""Life of one support access at the clinic: a table, because it is a table in the head. The platform keeps a machine of its own."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

LONGEST: Final = timedelta(minutes=60)
"""How long an access lasts at most, from the moment the clinic agreed."""


class AccessState(StrEnum):
    REQUESTED = "requested"
    """Waits for the clinic; lapses when `expires_at` has passed."""
    ACTIVE = "active"
    """The clinic agreed; over when `ends_at` has passed."""
    DECLINED = "declined"
    LAPSED = "lapsed"
    """Nobody answered in time."""
    WITHDRAWN = "withdrawn"
    """The platform took the request back."""
    ENDED = "ended"
    """Its time was over."""
    REVOKED = "revoked"
    """The clinic ended it."""
    CLOSED = "closed"
    """The platform ended it."""


class AccessEvent(StrEnum):
    ACCEPTED = "accepted"
    DECLINED = "declined"
    NOBODY_ANSWERED = "nobody answered"
    TAKEN_BACK = "taken back"
    TIME_OVER = "time over"
    REVOKED = "revoked"


S, E = AccessState, AccessEvent
TRANSITIONS: Final[dict[tuple[AccessState, AccessEvent], AccessState]] = {
    (S.REQUESTED, E.ACCEPTED): S.ACTIVE,
    (S.REQUESTED, E.DECLINED): S.DECLINED,
    (S.REQUESTED, E.NOBODY_ANSWERED): S.LAPSED,
    (S.REQUESTED, E.TAKEN_BACK): S.WITHDRAWN,
    (S.ACTIVE, E.TIME_OVER): S.ENDED,
    (S.ACTIVE, E.REVOKED): S.REVOKED,
    (S.ACTIVE, E.TAKEN_BACK): S.CLOSED,
}
OPEN: Final = frozenset(source for source, _ in TRANSITIONS)
del S, E


@dataclass(frozen=True, slots=True)
class Move:
    source: AccessState
    target: AccessState


def moves(on: AccessEvent) -> Iterable[Move]:
    """Where an event leads, from each state that takes it."""
    return (Move(source, target) for (source, event), target in TRANSITIONS.items() if event == on)
