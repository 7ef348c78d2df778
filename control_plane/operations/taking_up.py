"""Operations that gave up because something was away for longer than their deadline are taken up again by themselves.

A deployer or a database server that is down for an hour costs nobody a click: once it is back, work goes on where it stood.
"""

from sqlalchemy import select

from control_plane.access.actors import WORKER
from control_plane.audit import service as audit
from control_plane.operations import service
from control_plane.operations.errors import OperationOutdated
from control_plane.operations.models import Operation
from control_plane.operations.states import OperationState
from control_plane.operations.steps.base import Tools
from control_plane.tenants.models import Tenant
from dentalpin_kit.problems import ErrorClass


async def take_up(tools: Tools) -> None:
    """Retry what failed of something temporary and is due, each in a transaction of its own."""
    platform = tools.platform
    due = select(Operation.id, Operation.tenant_id).where(
        Operation.state == OperationState.FAILED,
        Operation.error_class == ErrorClass.TEMPORARY,
        Operation.next_attempt_at <= platform.clock.now(),
    )
    async with platform.database.transaction() as session:
        found = (await session.execute(due.order_by(Operation.next_attempt_at))).all()
    for operation_id, tenant_id in found:
        now = platform.clock.now()
        async with platform.database.transaction() as session:
            tenant = await session.get_one(Tenant, tenant_id, with_for_update=True)
            operation = await session.get_one(Operation, operation_id, with_for_update=True)
            if operation.state is not OperationState.FAILED:
                continue
            try:
                await service.retry(session, tenant, operation, at=now)
            except OperationOutdated:
                # What was asked since took its place; it stays as it ended.
                operation.error_class = ErrorClass.US
            else:
                audit.record(session, WORKER, "operation.taken_up", at=now, tenant_id=tenant_id, operation=str(operation_id))
