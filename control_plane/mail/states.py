"""Life of an outgoing mail. The diagram in docs/reference/states.md is generated from MACHINE."""

from enum import StrEnum
from typing import Final

from control_plane.transitions import About, Standing, StateMachine, Transition


class MailState(StrEnum):
    WAITING = "waiting"
    """To be sent; `due_at` says when, `give_up_at` until when it is tried, `reason` what the last attempt met."""
    SENT = "sent"
    FAILED = "failed"


class MailEvent(StrEnum):
    TAKEN = "taken by the mail server"
    GAVE_UP = "gave up"
    ASKED_AGAIN = "asked again"


S, E = MailState, MailEvent
MACHINE: Final = StateMachine(
    "The mail",
    initial=S.WAITING,
    final=frozenset({S.SENT}),
    transitions=(
        Transition(S.WAITING, E.TAKEN, S.SENT),
        Transition(S.WAITING, E.GAVE_UP, S.FAILED),
        Transition(S.FAILED, E.ASKED_AGAIN, S.WAITING),
    ),
    about={
        S.WAITING: About(
            Standing.UNDER_WAY, "To be sent.", "`give_up_at`; past it it has failed with its reason", "wait; mend what `reason` names"
        ),
        S.SENT: About(Standing.FINAL, "The mail server took it."),
        S.FAILED: About(Standing.STUCK, "Given up; `reason` says why.", "", "ask again once what `reason` names is mended"),
    },
)
del S, E
