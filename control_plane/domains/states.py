"""Life of a clinic's own host name. The diagram in docs/reference/states.md is generated from MACHINE."""

from datetime import timedelta
from enum import StrEnum
from typing import Final

from control_plane.transitions import About, Standing, StateMachine, Transition

PATIENCE: Final = timedelta(days=7)
"""How long a proof is looked for."""


class DomainState(StrEnum):
    PENDING = "pending"
    VERIFIED = "verified"
    LAPSED = "lapsed"
    REMOVED = "removed"


class DomainEvent(StrEnum):
    PROVED = "proved"
    TIME_OVER = "time over"
    REMOVED = "removed"


S, E = DomainState, DomainEvent
MACHINE: Final = StateMachine(
    "The clinic's domain",
    initial=S.PENDING,
    final=frozenset({S.LAPSED, S.REMOVED}),
    transitions=(
        Transition(S.PENDING, E.PROVED, S.VERIFIED),
        Transition(S.PENDING, E.TIME_OVER, S.LAPSED),
        Transition(S.PENDING, E.REMOVED, S.REMOVED),
        Transition(S.VERIFIED, E.REMOVED, S.REMOVED),
    ),
    about={
        S.PENDING: About(
            Standing.UNDER_WAY,
            "Its proof is looked for in the domain name system; `reason` says what was found last.",
            f"{PATIENCE.days} days after it was asked for",
            "write the text record, then `POST …/check`; or take it back (`DELETE`)",
        ),
        S.VERIFIED: About(Standing.STABLE, "The clinic answers at it; nobody else's can."),
        S.LAPSED: About(Standing.FINAL, "No proof came in time; it can be asked for again."),
        S.REMOVED: About(Standing.FINAL, "It was taken back, or its tenant was deleted."),
    },
)
LIVE: Final = (S.PENDING, S.VERIFIED)
del S, E
