"""What a step is. It may be repeated after dying anywhere: it looks at facts, ends in the same place, and never assumes that it is the
first. It raises TemporaryError to be tried again, any other DomainError to give up with that reason.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.databases.base import DatabaseServer
from control_plane.deployers.base import Deployer, Observation, Placement
from control_plane.errors import TemporaryError
from control_plane.operations.kinds import OperationKind, StepName
from control_plane.operations.models import Operation
from control_plane.platform import Placed, Platform
from control_plane.revisions.models import Revision
from control_plane.tenants.models import Tenant
from dentalpin_kit import faults
from dentalpin_kit.problems import ErrorClass


class NotYet(TemporaryError):
    """Under way; looked at again soon, without counting as a failure."""

    code: ClassVar[str] = "not_yet"
    error_class: ClassVar[ErrorClass] = ErrorClass.US


class RuntimeNotAsAsked(TemporaryError):
    """The runtime tried and could not; it tries again by itself, and may be helped meanwhile."""

    code: ClassVar[str] = "runtime_not_as_asked"
    error_class: ClassVar[ErrorClass] = ErrorClass.US

    def __init__(self, reason: str, observation: Observation) -> None:
        super().__init__(reason)
        self.observation = observation


@dataclass(frozen=True)
class Work:
    """One step of one operation, with the facts as the database has them at its beginning."""

    operation_id: UUID
    kind: OperationKind
    step: StepName
    placement: Placement
    owner_email: str
    revision: Revision
    serial: int
    result: dict[str, Any]
    """What the steps before made known."""
    params: dict[str, Any]
    """What the request said beyond its kind."""
    database_server: str | None = None
    """Which server holds the tenant's database; None is the environment's own."""
    password_serial: int = 0
    """Whose database passwords the runtime is given."""

    def half_done(self) -> None:
        """The fault point in the middle of a step: every step calls it once, where dying would leave the most behind."""
        faults.point(f"worker.{self.kind.value}.{self.step.value}.in")


@dataclass(frozen=True)
class Outcome:
    """What a finished step makes known; written together with its being done."""

    url: str | None = None
    observation: Observation | None = None
    result: dict[str, Any] = field(default_factory=dict)
    write: Callable[[AsyncSession, Tenant, Operation], Awaitable[None]] | None = None
    """Writes rows in the transaction that records the step as done; tenant and operation are locked. Not called once the lease is lost."""


@dataclass(frozen=True)
class Tools:
    """What steps and passes work with. `databases` is the server of the tenant at work, in a pass the environment's own."""

    platform: Platform
    databases: DatabaseServer

    async def placed(self, tenant: Placed) -> "Tools":
        """The same, with the server that holds this tenant's database."""
        if tenant.database_server is None:
            return self
        return replace(self, databases=await self.platform.databases_for(tenant))

    @property
    def deployer(self) -> Deployer:
        return self.platform.deployer


@dataclass(frozen=True)
class Step:
    run: Callable[[Work, Tools], Awaitable[Outcome]]
    prepare: Callable[[AsyncSession, Tenant, Operation], Awaitable[None]] | None = None
    """What is written before each attempt, in the transaction that marks the step as running."""
