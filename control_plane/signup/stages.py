"""How far a clinic is, as its progress page says it: four stages made of tenant, operation and invitation. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from control_plane.operations.models import Operation, OperationStep
from control_plane.operations.states import OPEN, OperationState, StepState
from control_plane.signup.service import Progress
from control_plane.signup.texts import Speech
from control_plane.tenants.states import TenantState


class Stage(StrEnum):
    OPENING = "opening"
    READY = "ready"
    FAILED = "failed"
    GONE = "gone"


# A clinic that serves is ready, also while its modules change or a change of them went wrong.
_STAGES = {
    TenantState.PROVISIONING: Stage.OPENING,
    TenantState.FAILED: Stage.FAILED,
    TenantState.ACTIVE: Stage.READY,
    TenantState.CHANGING: Stage.READY,
    TenantState.RESTORING: Stage.READY,
    TenantState.DEGRADED: Stage.READY,
    TenantState.ARCHIVING: Stage.READY,
    TenantState.ARCHIVED: Stage.READY,
    TenantState.CLOSING: Stage.GONE,
    TenantState.DELETING: Stage.GONE,
    TenantState.DELETE_FAILED: Stage.GONE,
    TenantState.DELETED: Stage.GONE,
}


@dataclass(frozen=True)
class Mailing:
    """Where a link that was asked for again stands."""

    text: str
    failed: bool


@dataclass(frozen=True)
class View:
    stage: Stage
    heading: str
    lead: str
    steps: Sequence[OperationStep]
    reason: str | None
    reference: str
    mailing: Mailing | None
    announcement: str
    """What a screen reader says when it changes."""
    moving: bool
    """Whether the page should look again by itself."""

    @property
    def digest(self) -> str:
        """Changes when, and only when, something shown does."""
        steps = [(step.name, step.state, step.reason) for step in self.steps]
        shown = (self.stage, self.heading, self.lead, steps, self.reason, self.mailing, self.moving)
        return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


def shown(progress: Progress, say: Speech) -> View:
    tenant, operation = progress.tenant, progress.operation
    stage = _STAGES[tenant.state]
    heading = say("progress.title" if stage is Stage.OPENING else f"progress.{stage}.title", clinic=tenant.name)
    match stage:
        case Stage.OPENING:
            lead = say("progress.lead")
        case Stage.READY if progress.owner_claimed:
            lead = say("progress.used.lead", email=tenant.owner_email)
        case Stage.READY:
            lead = say("progress.ready.lead", email=tenant.owner_email)
        case _:
            lead = say(f"progress.{stage}.lead")
    mailing = _mailing(progress.invitation, tenant.owner_email, say)
    mail_under_way = progress.invitation is not None and progress.invitation.state in OPEN
    steps = operation.steps if operation else []
    current = [say(f"step.{step.name}") for step in steps if stage is Stage.OPENING and step.state is StepState.RUNNING]
    return View(
        stage=stage,
        heading=heading,
        lead=lead,
        steps=steps,
        reason=tenant.state_reason or (operation.reason if operation else None),
        reference=str(operation.id) if operation else tenant.slug,
        mailing=mailing,
        announcement=". ".join([heading, *current] + ([lead] if stage is not Stage.OPENING else []) + ([mailing.text] if mailing else [])),
        # A failed start can be taken up again by the platform's operators: the page then goes on.
        moving=stage in (Stage.OPENING, Stage.FAILED) or (stage is Stage.READY and mail_under_way),
    )


def _mailing(invitation: Operation | None, email: str, say: Speech) -> Mailing | None:
    if invitation is None:
        return None
    if invitation.state is OperationState.SUCCEEDED:
        return Mailing(say("progress.mail.sent", email=email), failed=False)
    if invitation.state is OperationState.FAILED:
        return Mailing(say("progress.mail.failed", reason=invitation.reason), failed=True)
    return Mailing(say("progress.mail.sending", email=email), failed=False) if invitation.state in OPEN else None
