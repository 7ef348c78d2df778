"""What to do next for one tenant, decided from values alone. `keeper` looks, asks here and acts, over and over."""

from dataclasses import dataclass
from enum import Enum, auto

from control_plane.deployers.local.placement import Goal


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds."""

    first_retry: float = 1.0
    longest_retry: float = 60.0
    patience: float = 20.0
    """A start that takes longer than this is answered by the waiting page; a shorter one lets connections wait."""
    start_limit: float = 900.0
    """Migrations of a large clinic take minutes; a start that takes longer than this hangs."""
    drain_limit: float = 300.0
    stop_limit: float = 10.0
    resume_after: float = 2.0
    """What a supervisor leaves to others after its own start before it starts tenants that nobody is waiting for."""
    steady_after: float = 60.0
    """A process that dies sooner than this after it became ready counts as a failed start."""

    def retry_after(self, failures: int) -> float:
        return min(self.longest_retry, self.first_retry * 2.0 ** min(failures - 1, 16)) if failures else 0.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a process was started for. `serial` counts the restarts that were asked for."""

    digest: str
    serial: int


@dataclass(frozen=True, slots=True)
class View:
    goal: Goal
    wanted: Wanted
    serving: Wanted | None
    starting: Wanted | None
    starting_since: float
    demand: bool
    """Somebody waits on the socket, an event is due, or the tenant has not run as wanted yet."""
    failures: int
    not_before: float
    """No new attempt earlier than this (back-off)."""
    now: float


class Act(Enum):
    WAIT = auto()
    START = auto()
    STOP = auto()
    GIVE_UP = auto()
    """End a start that hangs."""


class Door(Enum):
    """What the supervisor does with the tenant's socket."""

    CLOSED = auto()
    """A process accepts, or will in a moment."""
    WATCHED = auto()
    """Nobody accepts; the next connection is a demand."""
    ANSWERED = auto()
    """The supervisor itself answers with the waiting page."""


@dataclass(frozen=True, slots=True)
class Decision:
    act: Act
    door: Door
    look_again: float | None = None
    """The time at which this decision may change by itself."""


def decide(view: View, timing: Timing) -> Decision:
    if view.goal is Goal.STOPPED:
        return Decision(Act.STOP if view.serving or view.starting else Act.WAIT, Door.ANSWERED)
    if view.starting is not None:
        return _while_starting(view, timing)
    if view.serving == view.wanted:
        return Decision(Act.WAIT, Door.CLOSED)
    if view.serving is None and not view.demand:
        return Decision(Act.WAIT, Door.WATCHED)
    if view.now >= view.not_before:
        return Decision(Act.START, Door.CLOSED if view.serving or not view.failures else Door.ANSWERED)
    return Decision(Act.WAIT, Door.CLOSED if view.serving else Door.ANSWERED, view.not_before)


def _while_starting(view: View, timing: Timing) -> Decision:
    limit = view.starting_since + timing.start_limit
    if view.now >= limit:
        return Decision(Act.GIVE_UP, Door.CLOSED if view.serving else Door.ANSWERED)
    if view.serving is not None:
        return Decision(Act.WAIT, Door.CLOSED, limit)
    patient_until = view.starting_since + timing.patience
    if view.failures or view.now >= patient_until:
        return Decision(Act.WAIT, Door.ANSWERED, limit)
    return Decision(Act.WAIT, Door.CLOSED, patient_until)
