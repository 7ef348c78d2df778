"""Bodies and answers of `/api/v1/modules`."""

from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from app.core import modes
from app.core.support import SHOWN
from app.core.support.schemas import SupportPresent

from . import service
from .manifest import NavigationEntry
from .plan import Plan, Step


class ModuleOut(BaseModel):
    name: Annotated[str, SHOWN]
    title: Annotated[str, SHOWN]
    state: Annotated[str, SHOWN]
    version: Annotated[str | None, SHOWN]
    package_version: Annotated[str | None, SHOWN]
    category: Annotated[str, SHOWN]
    summary: Annotated[str, SHOWN]
    depends: Annotated[list[str], SHOWN]
    dependents: Annotated[list[str], SHOWN]
    removable: Annotated[bool, SHOWN]
    installable: Annotated[bool, SHOWN]
    present: Annotated[bool, SHOWN]
    error: str | None
    attempts: Annotated[int, SHOWN]
    next_attempt_at: Annotated[datetime | None, SHOWN]
    chosen: Annotated[bool, SHOWN]

    @classmethod
    def of(cls, view: service.ModuleView) -> Self:
        return cls.model_validate({field: getattr(view, field) for field in cls.model_fields})


class ActiveModuleOut(BaseModel):
    name: Annotated[str, SHOWN]
    version: Annotated[str, SHOWN]
    category: Annotated[str, SHOWN]
    navigation: list[NavigationEntry]


class PaymentsOut(BaseModel):
    state: str
    why: str
    next: str | None
    next_on: date | None
    pay_at: str


class ActiveOut(BaseModel):
    modules: list[ActiveModuleOut]
    navigation: list[NavigationEntry]
    """All entries this person may open, merged and ordered."""
    permissions: list[str]
    mode: modes.Mode
    banner: str | None
    """What to tell everybody on every page, None in normal mode."""
    payments: PaymentsOut | None
    """Why the clinic is not, or will not stay, in normal mode, and where its owner settles it; None while payments are in order."""
    copy_of: str | None
    """The clinic this runtime is a copy of, which sends nothing to anybody; None for one of its own."""
    demo_until: date | None
    """The last day of a demonstration, whose records are invented and which sends nothing to anybody; None for a clinic of its own."""
    support: list[SupportPresent] = []
    """Who of the platform's support looks into this clinic now: to be told to everybody, on every page."""


class StatusOut(BaseModel):
    pending: list[ModuleOut]
    errored: list[ModuleOut]
    requires_restart: Annotated[bool, SHOWN]


class FindingOut(BaseModel):
    code: Annotated[str, SHOWN]
    severity: Annotated[str, SHOWN]
    module: Annotated[str, SHOWN]
    message: str


class DoctorOut(BaseModel):
    ok: bool
    """No errors; there may be warnings."""
    findings: list[FindingOut]


class OperationOut(BaseModel):
    id: int
    module: str
    operation: str
    step: str
    status: str
    attempt: int
    created_at: datetime
    details: dict[str, Any]


class RequestOut(BaseModel):
    """Who asked for what; the operations say what came of it."""

    id: int
    operation: str
    modules: list[str]
    user_id: UUID | None
    via: str
    reason: str
    created_at: datetime


class ChangeIn(BaseModel):
    """What may be said about a change."""

    reason: str = Field("", max_length=service.REASON_LENGTH)


class UninstallIn(ChangeIn):
    with_unneeded: bool = False
    """Remove the dependencies too that nobody needs any more."""


class RestartIn(BaseModel):
    reason: str = Field("", max_length=service.REASON_LENGTH)


class StepOut(BaseModel):
    """What happens to one module."""

    module: str
    change: str
    reason: str
    at_restart: bool
    from_version: str | None
    to_version: str | None
    steps: list[str]
    revisions: list[str]
    tables: dict[str, int]
    """Rows that go, by table."""
    deliveries: int
    permissions: list[str]
    """They come or go with the module, like jobs and tools."""
    jobs: list[str]
    tools: list[str]

    @classmethod
    def of(cls, step: Step) -> Self:
        return cls(
            module=step.module,
            change=step.change,
            reason=step.reason,
            at_restart=step.at_restart,
            from_version=step.from_version,
            to_version=step.to_version,
            steps=list(step.steps),
            revisions=list(step.revisions),
            tables=dict(step.tables),
            deliveries=step.deliveries,
            permissions=list(step.brings.permissions),
            jobs=list(step.brings.jobs),
            tools=list(step.brings.tools),
        )


class RefusalOut(BaseModel):
    code: str
    message: str


class PlanOut(BaseModel):
    operation: str
    module: str
    possible: bool
    requires_restart: bool
    message: str
    steps: list[StepOut]
    refusals: list[RefusalOut]
    unneeded: list[str]

    @classmethod
    def of(cls, plan: Plan) -> Self:
        return cls(
            operation=plan.change,
            module=plan.module,
            possible=not plan.refusals,
            requires_restart=plan.requires_restart,
            message=plan.message,
            steps=[StepOut.of(step) for step in plan.steps],
            refusals=[RefusalOut(code=error.code, message=error.message) for error in plan.refusals],
            unneeded=list(plan.unneeded),
        )


class ScheduledOut(BaseModel):
    operation: str
    modules: list[str]
    requires_restart: bool
    plan: PlanOut

    @classmethod
    def of(cls, scheduled: service.Scheduled) -> Self:
        return cls(
            operation=scheduled.operation,
            modules=list(scheduled.modules),
            requires_restart=scheduled.requires_restart,
            plan=PlanOut.of(scheduled.plan),
        )


class RetryOut(BaseModel):
    modules: list[str]
    requires_restart: bool


class BackupOut(BaseModel):
    id: str
    version: str
    created_at: datetime
    rows: int
    tables: dict[str, int]


class RestartOut(BaseModel):
    restarting: bool
