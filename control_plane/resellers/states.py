"""Life of a transfer. The diagram in docs/reference/states.md is generated from MACHINE."""

from datetime import timedelta
from enum import StrEnum
from typing import Final

from control_plane.transitions import About, Standing, StateMachine, Transition

OPEN_FOR: Final = timedelta(days=14)


class TransferState(StrEnum):
    REQUESTED = "requested"
    DONE = "done"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class TransferEvent(StrEnum):
    ALL_AGREED = "everybody agreed"
    DECLINED = "one of them declined"
    WITHDRAWN = "who asked took it back"
    TIME_PASSED = "not everybody answered in time"


S, E = TransferState, TransferEvent
MACHINE: Final = StateMachine(
    "The transfer",
    initial=S.REQUESTED,
    final=frozenset({S.DONE, S.DECLINED, S.WITHDRAWN, S.EXPIRED}),
    transitions=(
        Transition(S.REQUESTED, E.ALL_AGREED, S.DONE),
        Transition(S.REQUESTED, E.DECLINED, S.DECLINED),
        Transition(S.REQUESTED, E.WITHDRAWN, S.WITHDRAWN),
        Transition(S.REQUESTED, E.TIME_PASSED, S.EXPIRED),
    ),
    about={
        S.REQUESTED: About(
            Standing.UNDER_WAY,
            "It waits for the clinic, the reseller that gives and the one that takes, as far as there are any; nothing has changed yet.",
            deadline=f"`expires_at`, {OPEN_FOR.days} days after it was asked for; the pass `transfers` ends it then.",
            way_out="Accept, decline or withdraw it; an operator may agree for a party that cannot, with a reason.",
        ),
        S.DONE: About(Standing.FINAL, "The tenant is where it was to go; grants and payer were changed with it."),
        S.DECLINED: About(Standing.FINAL, "Somebody said no. Nothing has changed."),
        S.WITHDRAWN: About(Standing.FINAL, "Whoever asked took it back. Nothing has changed."),
        S.EXPIRED: About(Standing.FINAL, "Not everybody answered in time. Nothing has changed."),
    },
)
del S, E
