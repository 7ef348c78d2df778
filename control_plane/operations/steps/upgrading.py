"""Moving a clinic to another release, and back with its data."""

from typing import Final

from control_plane.operations.kinds import StepName
from control_plane.operations.steps.base import Step

STEPS: Final[dict[StepName, Step]] = {}
