"""Life of a sign-up that waits for a card. The diagram in docs/reference/states.md is generated from MACHINE."""

from enum import StrEnum
from typing import Final

from control_plane.transitions import About, Standing, StateMachine, Transition


class ReservationState(StrEnum):
    WAITING = "waiting"
    """The person is to give a card on the provider's page; nothing of the clinic exists."""
    OPENED = "opened"
    CLOSING = "closing"
    """It comes to nothing: the provider's page is closed, what was paid is given back, and the person is forgotten there."""
    ENDED = "ended"


class ReservationEvent(StrEnum):
    CARD_GIVEN = "the card was given"
    WITHOUT_CARD = "opened without a card"
    TIME_OVER = "the time is over"
    REFUSED = "the clinic cannot be opened"
    TIDIED = "nothing is left at the provider"


S, E = ReservationState, ReservationEvent
MACHINE: Final = StateMachine(
    "The sign-up",
    initial=S.WAITING,
    final=frozenset({S.OPENED, S.ENDED}),
    transitions=(
        Transition(S.WAITING, E.CARD_GIVEN, S.OPENED),
        Transition(S.WAITING, E.WITHOUT_CARD, S.OPENED),
        Transition(S.WAITING, E.TIME_OVER, S.CLOSING),
        Transition(S.WAITING, E.REFUSED, S.CLOSING),
        Transition(S.CLOSING, E.CARD_GIVEN, S.OPENED),
        Transition(S.CLOSING, E.TIDIED, S.ENDED),
    ),
    about={
        S.WAITING: About(
            Standing.UNDER_WAY,
            "A card is to be given on the provider's page; the clinic is opened when it was.",
            "`deadline`: three days after the form was sent; then it is closing",
            "go on by the link in the mail, or open the clinic without a card",
        ),
        S.OPENED: About(Standing.FINAL, "The clinic exists; its own states say more."),
        S.CLOSING: About(
            Standing.UNDER_WAY,
            "It comes to nothing: page, subscription and customer are being taken back at the provider.",
            "`deadline`: seven days after it began; past it it is among what is stuck, with its reason",
            "connect the payment provider again; it goes on by itself",
        ),
        S.ENDED: About(Standing.FINAL, "Nothing is left of it, here or at the provider."),
    },
)
del S, E
