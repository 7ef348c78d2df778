"""Packing everything a clinic owns into one archive."""

from typing import Final

from control_plane.operations.kinds import StepName
from control_plane.operations.steps.base import Step

STEPS: Final[dict[StepName, Step]] = {}
