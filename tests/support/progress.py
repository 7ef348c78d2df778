"""Operations taken further by hand, for tests of what people see of them while no worker runs."""

from sqlalchemy import select

from control_plane.operations.models import Because, Operation
from control_plane.operations.states import OPEN, OperationEvent, StepState
from control_plane.platform import Platform
from control_plane.tenants.models import ObservedTenant, Tenant
from control_plane.tenants.states import TenantEvent
from dentalpin_kit.problems import ErrorClass


async def _oldest_open(session) -> tuple[Operation, Tenant]:
    operation = (await session.scalars(select(Operation).where(Operation.state.in_(OPEN)).order_by(Operation.number))).first()
    assert operation is not None
    return operation, await session.get_one(Tenant, operation.tenant_id)


async def begin_step(platform: Platform, position: int) -> None:
    """The steps before `position` are done, and that one is under way."""
    async with platform.database.transaction() as session:
        operation, _ = await _oldest_open(session)
        operation.move(OperationEvent.CLAIMED, at=platform.clock.now())
        for step in operation.steps:
            step.state = StepState.DONE if step.position < position else StepState.PENDING
        operation.steps[position].state = StepState.RUNNING


async def give_up(platform: Platform, reason: str) -> None:
    async with platform.database.transaction() as session:
        operation, tenant = await _oldest_open(session)
        operation.move(OperationEvent.GAVE_UP, at=platform.clock.now(), because=Because(reason, "refused", ErrorClass.US))
        if tenant.state == "provisioning":
            tenant.move(TenantEvent.OPERATION_FAILED, at=platform.clock.now(), reason=reason)


async def finish(platform: Platform, *, url: str = "http://clinic.example") -> None:
    async with platform.database.transaction() as session:
        operation, tenant = await _oldest_open(session)
        operation.move(OperationEvent.CLAIMED, at=platform.clock.now())
        await session.flush()
        operation.move(OperationEvent.DONE, at=platform.clock.now())
        for step in operation.steps:
            step.state = StepState.DONE
        if tenant.state == "provisioning":
            tenant.move(TenantEvent.ATTESTED, at=platform.clock.now())
            tenant.url = url


async def attest_claimed(platform: Platform) -> None:
    """The runtime has said that its owner set a password."""
    async with platform.database.transaction() as session:
        tenant = (await session.scalars(select(Tenant))).one()
        seen = {"owner_claimed": True, "healthy": True, "modules": []}
        now = platform.clock.now()
        session.add(ObservedTenant(tenant_id=tenant.id, status="serving", generation=1, attestation=seen, attested_at=now, observed_at=now))
