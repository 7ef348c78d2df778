"""Putting a backup's data into a clinic, or a copy of it."""

from typing import Final

from control_plane.operations.kinds import StepName
from control_plane.operations.steps.base import Step

STEPS: Final[dict[StepName, Step]] = {}
