"""Life of a request for support access, as the platform knows it. The diagram in docs/reference/states.md is generated from the table.

The clinic's runtime keeps the consent; what stands here is what the platform last heard of it.
"""

from enum import StrEnum
from typing import Final

from control_plane.transitions import About, Standing, StateMachine, Transition


class SupportState(StrEnum):
    SENDING = "sending"
    ASKED = "asked"
    OPEN = "open"
    CLOSING = "closing"
    DECLINED = "declined"
    LAPSED = "lapsed"
    ENDED = "ended"
    REVOKED = "revoked"
    CLOSED = "closed"
    FAILED = "failed"


class SupportEvent(StrEnum):
    DELIVERED = "delivered"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    NOBODY_ANSWERED = "nobody answered"
    TIME_OVER = "time over"
    REVOKED = "revoked"
    ENDING = "ending asked"
    ENDED_THERE = "ended there"
    REFUSED = "refused"


S, E = SupportState, SupportEvent
MACHINE: Final = StateMachine(
    "The support request",
    initial=S.SENDING,
    final=frozenset({S.DECLINED, S.LAPSED, S.ENDED, S.REVOKED, S.CLOSED, S.FAILED}),
    transitions=(
        Transition(S.SENDING, E.DELIVERED, S.ASKED),
        Transition(S.SENDING, E.ACCEPTED, S.OPEN),
        Transition(S.SENDING, E.DECLINED, S.DECLINED),
        Transition(S.SENDING, E.NOBODY_ANSWERED, S.LAPSED),
        Transition(S.SENDING, E.TIME_OVER, S.ENDED),
        Transition(S.SENDING, E.REVOKED, S.REVOKED),
        Transition(S.SENDING, E.ENDED_THERE, S.CLOSED),
        Transition(S.SENDING, E.REFUSED, S.FAILED),
        Transition(S.SENDING, E.ENDING, S.CLOSING),
        Transition(S.ASKED, E.ACCEPTED, S.OPEN),
        Transition(S.ASKED, E.DECLINED, S.DECLINED),
        Transition(S.ASKED, E.NOBODY_ANSWERED, S.LAPSED),
        Transition(S.ASKED, E.TIME_OVER, S.ENDED),
        Transition(S.ASKED, E.REVOKED, S.REVOKED),
        Transition(S.ASKED, E.ENDED_THERE, S.CLOSED),
        Transition(S.ASKED, E.REFUSED, S.FAILED),
        Transition(S.ASKED, E.ENDING, S.CLOSING),
        Transition(S.OPEN, E.TIME_OVER, S.ENDED),
        Transition(S.OPEN, E.REVOKED, S.REVOKED),
        Transition(S.OPEN, E.ENDED_THERE, S.CLOSED),
        Transition(S.OPEN, E.REFUSED, S.FAILED),
        Transition(S.OPEN, E.ENDING, S.CLOSING),
        Transition(S.CLOSING, E.ENDED_THERE, S.CLOSED),
        Transition(S.CLOSING, E.DECLINED, S.DECLINED),
        Transition(S.CLOSING, E.NOBODY_ANSWERED, S.LAPSED),
        Transition(S.CLOSING, E.TIME_OVER, S.ENDED),
        Transition(S.CLOSING, E.REVOKED, S.REVOKED),
        Transition(S.CLOSING, E.REFUSED, S.CLOSED),
    ),
    about={
        S.SENDING: About(
            Standing.UNDER_WAY,
            "On its way to the clinic's runtime.",
            "`expires_at`: 24 hours unless asked otherwise",
            "wait, or take it back",
        ),
        S.ASKED: About(
            Standing.UNDER_WAY,
            "The clinic sees it and was mailed; nobody answered yet.",
            "`expires_at`: 24 hours unless asked otherwise",
            "call the clinic, or take it back",
        ),
        S.OPEN: About(Standing.UNDER_WAY, "The clinic agreed: support may look.", "`ends_at`: an hour at most from the consent", "end it"),
        S.CLOSING: About(
            Standing.UNDER_WAY,
            "The platform ended it and tells the runtime; passes are not given any more.",
            "`ends_at`, or `expires_at` before the clinic answered: then it is over whatever the runtime heard",
            "the clinic can end it at once, under Support access",
        ),
        S.DECLINED: About(Standing.FINAL, "The clinic said no; `note` says why where it did."),
        S.LAPSED: About(Standing.FINAL, "Nobody answered in time."),
        S.ENDED: About(Standing.FINAL, "Its time was over."),
        S.REVOKED: About(Standing.FINAL, "The clinic ended it."),
        S.CLOSED: About(Standing.FINAL, "The platform ended it, or took its request back."),
        S.FAILED: About(Standing.FINAL, "The runtime cannot be asked; `reason` says why."),
    },
)
del S, E
UNFINISHED: Final = MACHINE.standing(Standing.UNDER_WAY)
"""At most one request of a person for a tenant is in one of these."""
