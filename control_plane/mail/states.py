"""Life of an outgoing mail. The diagram in docs/reference/states.md is generated from MACHINE."""

from enum import StrEnum
from typing import Final

from control_plane.transitions import StateMachine, Transition


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
)
del S, E
