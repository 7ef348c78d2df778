"""What each step does, a file per topic; control_plane/operations/kinds.py says which kinds are made of them."""

from typing import Final

from control_plane.operations.kinds import StepName
from control_plane.operations.steps import (
    archiving,
    backing_up,
    billing,
    deleting,
    erasing,
    exporting,
    provisioning,
    restoring,
    rotating,
    upgrading,
)
from control_plane.operations.steps.base import NotYet, Outcome, RuntimeNotAsAsked, Step, Tools, Work

__all__ = ["STEPS", "NotYet", "Outcome", "RuntimeNotAsAsked", "Step", "Tools", "Work"]

STEPS: Final[dict[StepName, Step]] = {
    **provisioning.STEPS,
    **deleting.STEPS,
    **upgrading.STEPS,
    **backing_up.STEPS,
    **restoring.STEPS,
    **exporting.STEPS,
    **erasing.STEPS,
    **billing.STEPS,
    **archiving.STEPS,
    **rotating.STEPS,
}
