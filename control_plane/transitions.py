"""State machines as data: the tables in */states.py, checked here in Python and, from the same rows, by a trigger in the database.

The diagrams and tables in docs/reference/states.md are generated from them. control_plane/machines.py lists them all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Generic, TypeVar

from control_plane.errors import Conflict

State = TypeVar("State", bound=StrEnum)
Trigger = TypeVar("Trigger", bound=StrEnum)


class IllegalTransition(Conflict):
    code: ClassVar[str] = "illegal_transition"


class Standing(StrEnum):
    """What kind of state a state is."""

    STABLE = "stable"
    """It may stay so for ever."""
    UNDER_WAY = "under way"
    """It ends by itself, at the latest at its deadline."""
    STUCK = "stuck"
    """It waits for a person, with a reason; it has a way out."""
    FINAL = "final"
    """Nothing follows."""


@dataclass(frozen=True, slots=True)
class About:
    """A state, for whoever has to do with it."""

    standing: Standing
    meaning: str
    deadline: str = ""
    """From what until when, of a state that is under way."""
    way_out: str = ""
    """What a person can do: of every state that is under way or stuck."""


@dataclass(frozen=True, slots=True)
class Transition(Generic[State, Trigger]):
    """From `source`, when `on` happens, to `target`."""

    source: State
    on: Trigger
    target: State


@dataclass(frozen=True)
class StateMachine(Generic[State, Trigger]):
    name: str
    initial: State
    final: frozenset[State]
    transitions: tuple[Transition[State, Trigger], ...]
    about: Mapping[State, About] = field(default_factory=dict)

    def target(self, source: State, on: Trigger) -> State:
        """Where `on` leads from `source`. Raises IllegalTransition where the table has no such row."""
        for transition in self.transitions:
            if transition.source == source and transition.on == on:
                return transition.target
        raise IllegalTransition(
            f"{self.name} is {source.value} and cannot take {on.value!r} now. Wait for the operation at work, or look at its reason.",
            state=source.value,
        )

    def allows(self, source: State, on: Trigger) -> bool:
        return any(row.source == source and row.on == on for row in self.transitions)

    def standing(self, *standings: Standing) -> frozenset[State]:
        """The states that stand so."""
        return frozenset(state for state, about in self.about.items() if about.standing in standings)

    def pairs(self) -> Iterable[tuple[str, str]]:
        """(source, target) rows for the database's own check."""
        return sorted({(row.source.value, row.target.value) for row in self.transitions if row.source != row.target})

    def diagram(self) -> str:
        """The machine as a Mermaid state diagram."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.initial.value}"]
        lines += [f"    {row.source.value} --> {row.target.value}: {row.on.value}" for row in self.transitions if row.source != row.target]
        lines += [f"    {state.value} --> [*]" for state in sorted(self.final)]
        return "\n".join(lines)

    def table(self) -> str:
        """Every state with its standing, deadline and way out, as Markdown."""
        lines = ["| state | | what it means | deadline | way out |", "|---|---|---|---|---|"]
        lines += [
            f"| `{state.value}` | {about.standing.value} | {about.meaning} | {about.deadline or '-'} | {about.way_out or '-'} |"
            for state, about in self.about.items()
        ]
        return "\n".join(lines)
