"""The ladder of non-payment as a machine. The diagram in docs/reference/states.md is generated from MACHINE.

control_plane.billing.ladder says when each rung is taken; a rung is taken one at a time, and paying leads back from every one at once.
"""

from enum import StrEnum
from itertools import pairwise
from typing import Final

from control_plane.billing.ladder import Rung
from control_plane.transitions import About, StateMachine, Transition
from control_plane.transitions import Standing as Kind


class StandingEvent(StrEnum):
    CLIMBED = "announced, and not paid in time"
    EASED = "the older invoices were paid"
    SETTLED = "nothing is owed any more"


class Why(StrEnum):
    """What is not in order. An ended trial is no debt, and is never called one."""

    UNPAID = "unpaid"
    """An invoice was refused, or is past its day."""
    TRIAL_OVER = "trial_over"
    """The trial ended and there is no way to pay."""
    ENDED = "ended"
    """The agreement was cancelled and its last paid day is over."""


_ORDER: Final = tuple(Rung)
_DEADLINE: Final = "`next_at`: the next rung, announced a week before"
_WAY_OUT: Final = "paying; `PUT /v1/tenants/{slug}/standing/extension` with a reason and a day"
MACHINE: Final = StateMachine(
    "The payment standing",
    initial=Rung.NONE,
    final=frozenset(),
    transitions=(
        *(Transition(rung, StandingEvent.CLIMBED, above) for rung, above in pairwise(_ORDER)),
        *(Transition(above, StandingEvent.EASED, rung) for rung, above in pairwise(_ORDER)),
        *(Transition(rung, StandingEvent.SETTLED, Rung.NONE) for rung in _ORDER[1:]),
    ),
    about={
        Rung.NONE: About(Kind.STABLE, "Nothing is owed."),
        Rung.BANNER: About(Kind.UNDER_WAY, "The clinic's people are told; everything works.", _DEADLINE, _WAY_OUT),
        Rung.NO_NEW_MODULES: About(Kind.UNDER_WAY, "No modules can be chosen anew; what the law adds is added.", _DEADLINE, _WAY_OUT),
        Rung.READ_ONLY: About(Kind.UNDER_WAY, "Everything is read, printed and exported; nothing is changed.", _DEADLINE, _WAY_OUT),
        Rung.EXPORT_ONLY: About(Kind.UNDER_WAY, "Records are read, printed and exported; nothing else works.", _DEADLINE, _WAY_OUT),
        Rung.ARCHIVED: About(
            Kind.STABLE, "A backup was verified and the runtime is stopped. Nothing is deleted; exports go on, and paying reopens it."
        ),
    },
)
