"""Erasing what is kept of a deleted clinic, with a receipt per system."""

from typing import Final

from control_plane.operations.kinds import StepName
from control_plane.operations.steps.base import Step

STEPS: Final[dict[StepName, Step]] = {}
