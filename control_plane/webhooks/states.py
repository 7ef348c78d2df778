"""Life of a delivery and of an endpoint. The diagrams in docs/reference/states.md are generated from the tables."""

from enum import StrEnum
from typing import Final

from control_plane.transitions import About, Standing, StateMachine, Transition


class DeliveryState(StrEnum):
    PENDING = "pending"
    """In its endpoint's queue; the endpoint says when it is tried next."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """Tried as often as one event may be; the queue went on without it. `redeliver` queues it anew."""
    SKIPPED = "skipped"
    """Not sent because the endpoint is disabled; `recover` queues it anew."""


class DeliveryEvent(StrEnum):
    TAKEN = "taken"
    GAVE_UP = "gave up"
    ENDPOINT_DISABLED = "endpoint disabled"


class EndpointState(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"
    """Nothing is sent; the reason says whether a person or too many failures in a row did it."""


BY_HAND: Final = "Disabled by "
"""How the reason begins where a person disabled it: nobody is waited for then."""


class EndpointEvent(StrEnum):
    DISABLED = "disabled"
    ENABLED = "enabled"


S, E = DeliveryState, DeliveryEvent
DELIVERY: Final = StateMachine(
    "The delivery",
    initial=S.PENDING,
    final=frozenset({S.DELIVERED, S.FAILED, S.SKIPPED}),
    transitions=(
        Transition(S.PENDING, E.TAKEN, S.DELIVERED),
        Transition(S.PENDING, E.GAVE_UP, S.FAILED),
        Transition(S.PENDING, E.ENDPOINT_DISABLED, S.SKIPPED),
    ),
    about={
        S.PENDING: About(
            Standing.UNDER_WAY,
            "In its webhook's queue; the webhook says when it is tried next.",
            "eight attempts, or twelve failures in a row of its webhook: about two days",
            "wait; mend the receiver, or disable the webhook",
        ),
        S.DELIVERED: About(Standing.FINAL, "The receiver answered 2xx."),
        S.FAILED: About(Standing.FINAL, "Tried as often as one event may be; the queue went on. `redeliver` sends the event anew."),
        S.SKIPPED: About(Standing.FINAL, "Not sent because the webhook is disabled. `recover` sends the event anew."),
    },
)
ENDPOINT: Final = StateMachine(
    "The endpoint",
    initial=EndpointState.ENABLED,
    final=frozenset(),
    transitions=(
        Transition(EndpointState.ENABLED, EndpointEvent.DISABLED, EndpointState.DISABLED),
        Transition(EndpointState.DISABLED, EndpointEvent.ENABLED, EndpointState.ENABLED),
    ),
    about={
        EndpointState.ENABLED: About(Standing.STABLE, "Events are sent as they happen."),
        EndpointState.DISABLED: About(
            Standing.STUCK,
            "Nothing is sent; `reason` says whether a person or its failures did it.",
            "",
            "mend the receiver, `enable`, `recover`",
        ),
    },
)
del S, E
