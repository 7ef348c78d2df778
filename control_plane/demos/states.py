"""Life of a demonstration. The diagram in docs/reference/states.md is generated from MACHINE."""

from datetime import timedelta
from enum import StrEnum
from typing import Final

from control_plane.transitions import About, Standing, StateMachine, Transition

LONGEST: Final = timedelta(days=60)
"""From its opening, an extension included."""
TOLD_BEFORE: Final = timedelta(days=3)


class DemoState(StrEnum):
    RUNNING = "running"
    ANNOUNCED = "announced"
    ERASING = "erasing"
    ERASED = "erased"


class DemoEvent(StrEnum):
    TOLD = "its end was told"
    EXTENDED = "extended"
    OVER = "its day came, or somebody ended it"
    ERASED = "erased"


S, E = DemoState, DemoEvent
_EXTEND: Final = "extend it once (`POST /v1/demos/{slug}/extension`), or end it (`DELETE /v1/demos/{slug}`)"
MACHINE: Final = StateMachine(
    "The demonstration",
    initial=S.RUNNING,
    final=frozenset({S.ERASED}),
    transitions=(
        Transition(S.RUNNING, E.TOLD, S.ANNOUNCED),
        Transition(S.RUNNING, E.EXTENDED, S.RUNNING),
        Transition(S.ANNOUNCED, E.EXTENDED, S.RUNNING),
        Transition(S.RUNNING, E.OVER, S.ERASING),
        Transition(S.ANNOUNCED, E.OVER, S.ERASING),
        Transition(S.ERASING, E.ERASED, S.ERASED),
    ),
    about={
        S.RUNNING: About(
            Standing.UNDER_WAY, "It is there to be looked at; whether its tenant serves is the tenant's own state.", "`ends_at`", _EXTEND
        ),
        S.ANNOUNCED: About(
            Standing.UNDER_WAY,
            f"Whoever looks after it was told, {TOLD_BEFORE.days} days before its end.",
            "`ends_at`",
            _EXTEND,
        ),
        S.ERASING: About(
            Standing.UNDER_WAY,
            "Its tenant is being deleted, without a last copy, and then erased.",
            "the deadlines of those operations; what fails is tried again every hour",
            "retry the tenant's operation; `reason` says what it waits for",
        ),
        S.ERASED: About(Standing.FINAL, "Nothing is left of it but this row; the erasure's receipts say so, system by system."),
    },
)
UNFINISHED: Final = (S.RUNNING, S.ANNOUNCED, S.ERASING)
del S, E
