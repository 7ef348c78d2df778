"""Life of an edition of the packs: drafted, its effect shown, then published or thrown away."""

from enum import StrEnum
from typing import Final

from control_plane.transitions import StateMachine, Transition


class EditionState(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    DISCARDED = "discarded"


class EditionEvent(StrEnum):
    PUBLISHED = "published"
    DISCARDED = "discarded"


S, E = EditionState, EditionEvent
MACHINE: Final = StateMachine(
    "The edition",
    initial=S.DRAFT,
    final=frozenset({S.PUBLISHED, S.DISCARDED}),
    transitions=(Transition(S.DRAFT, E.PUBLISHED, S.PUBLISHED), Transition(S.DRAFT, E.DISCARDED, S.DISCARDED)),
)
del S, E
