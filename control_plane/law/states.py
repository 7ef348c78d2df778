"""Life of an edition of the packs: drafted, its effect shown, then published or thrown away."""

from enum import StrEnum
from typing import Final

from control_plane.transitions import About, Standing, StateMachine, Transition


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
    about={
        S.DRAFT: About(Standing.STABLE, "Uploaded; its effect can be looked at and nothing follows it."),
        S.PUBLISHED: About(Standing.FINAL, "In use, until a later edition is."),
        S.DISCARDED: About(Standing.FINAL, "Thrown away without ever being in use."),
    },
)
del S, E
