"""Life of a module in one database (seeds, guide §5). The table is the machine: a transition that is not in it cannot be written."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .errors import IllegalTransition


class State(StrEnum):
    UNINSTALLED = "uninstalled"
    TO_INSTALL = "to_install"
    INSTALLED = "installed"
    TO_UPGRADE = "to_upgrade"
    TO_REMOVE = "to_remove"
    DISABLED = "disabled"


class Trigger(StrEnum):
    INSTALL = "install"
    """A person or a revision asks for the module."""
    UPGRADE = "upgrade"
    """The package is newer than the database, or has revisions the database lacks."""
    UNINSTALL = "uninstall"
    """A person, or a revision's silence, asks to take the module away."""
    WITHDRAW = "withdraw"
    """What was asked is no longer asked, and nothing of it has happened."""
    REFUSE = "refuse"
    """A removal turned out to be impossible: the module stays."""
    FINALIZE = "finalize"
    """The processor's last step."""
    TOGGLE = "toggle"
    """Switched off or on without touching the schema."""


@dataclass(frozen=True, slots=True)
class Transition:
    source: State
    on: Trigger
    target: State


TRANSITIONS: Final = (
    Transition(State.UNINSTALLED, Trigger.INSTALL, State.TO_INSTALL),
    Transition(State.TO_INSTALL, Trigger.FINALIZE, State.INSTALLED),
    Transition(State.TO_INSTALL, Trigger.WITHDRAW, State.UNINSTALLED),
    # Migrations committed by themselves may have run already: then there is something to take down.
    Transition(State.TO_INSTALL, Trigger.UNINSTALL, State.TO_REMOVE),
    Transition(State.INSTALLED, Trigger.UPGRADE, State.TO_UPGRADE),
    Transition(State.DISABLED, Trigger.UPGRADE, State.TO_UPGRADE),
    Transition(State.TO_UPGRADE, Trigger.FINALIZE, State.INSTALLED),
    Transition(State.TO_UPGRADE, Trigger.WITHDRAW, State.INSTALLED),
    Transition(State.TO_UPGRADE, Trigger.UNINSTALL, State.TO_REMOVE),
    Transition(State.INSTALLED, Trigger.UNINSTALL, State.TO_REMOVE),
    Transition(State.DISABLED, Trigger.UNINSTALL, State.TO_REMOVE),
    Transition(State.TO_REMOVE, Trigger.FINALIZE, State.UNINSTALLED),
    Transition(State.TO_REMOVE, Trigger.WITHDRAW, State.INSTALLED),
    Transition(State.TO_REMOVE, Trigger.REFUSE, State.INSTALLED),
    Transition(State.INSTALLED, Trigger.TOGGLE, State.DISABLED),
    Transition(State.DISABLED, Trigger.TOGGLE, State.INSTALLED),
)
_TARGETS: Final = {(transition.source, transition.on): transition.target for transition in TRANSITIONS}

HAS_SCHEMA: Final = frozenset({State.INSTALLED, State.TO_UPGRADE, State.TO_REMOVE, State.DISABLED})
"""States in which the module's tables exist."""
STAYS: Final = frozenset({State.INSTALLED, State.TO_INSTALL, State.TO_UPGRADE, State.DISABLED})
"""States of a module that somebody wants."""
IN_FORCE: Final = frozenset({State.INSTALLED, State.DISABLED})
"""States in which tables and package fit each other, so that a process may mount the module."""
PENDING: Final = frozenset({State.TO_INSTALL, State.TO_UPGRADE, State.TO_REMOVE})


def target(module: str, source: State, on: Trigger, *, switched_off: bool = False) -> State:
    """The state that follows. A module that was switched off stays so over an upgrade, or a removal that did not happen.

    Raises IllegalTransition if the table has none.
    """
    try:
        following = _TARGETS[source, on]
    except KeyError:
        raise IllegalTransition(module, source, on) from None
    if switched_off and following is State.INSTALLED and on is not Trigger.TOGGLE:
        return _TARGETS[following, Trigger.TOGGLE]
    return following


def possible(source: State, on: Trigger) -> bool:
    return (source, on) in _TARGETS
