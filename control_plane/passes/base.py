"""What a periodic pass is: work that nobody asks for, because only time brings it about."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from control_plane.operations.steps.base import Tools


@dataclass(frozen=True, slots=True)
class Pass:
    """One worker at a time runs it, `every` so often by the platform's clock; dying in the middle, it is run again by another.

    `run` looks at rows with a due time and may be repeated at any moment: it ends in the same place. What it raises is stored with the
    pass, shown among what is stuck, and tried again.
    """

    name: str
    every: timedelta
    run: Callable[[Tools], Awaitable[None]]
    patience: timedelta = timedelta(minutes=15)
    """How long one run may take before it is cut short and counts as failed."""
