"""/v1/operations: progress of one piece of work, asked once or followed as server-sent events."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Final, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.requires import Guards, Requires, visible
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.notices import Notices
from control_plane.operations import actions, service
from control_plane.operations.kinds import OperationKind
from control_plane.operations.models import Operation
from control_plane.operations.schemas import OperationList, OperationOut
from control_plane.operations.states import OperationState
from control_plane.pagination import WantedPage, page
from control_plane.platform import Platform
from control_plane.tenants.models import Tenant

router = APIRouter(prefix="/operations", tags=["operations"], route_class=PlatformRoute, dependencies=[Guards("operations")])

LOOK_AGAIN_SECONDS: Final = 5.0
"""How long a stream trusts that silence means no change."""


async def shown(session: AsyncSession, operation_id: UUID) -> OperationOut:
    operation = await service.get(session, operation_id)
    tenant = await session.get_one(Tenant, operation.tenant_id)
    return OperationOut.of(operation, tenant.slug)


async def follow(platform: Platform, notices: Notices, operation_id: UUID) -> AsyncIterator[OperationOut]:
    """The operation as it is, then each time it has changed; ends when nothing more happens by itself. Raises UnknownOperation."""
    last: OperationOut | None = None
    async with notices.subscribe(str(operation_id)) as changed:
        while last is None or not last.finished:
            changed.clear()
            async with platform.database.transaction() as session:
                current = await shown(session, operation_id)
            if current != last:
                yield current
                last = current
            if not current.finished:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                        await changed.wait()


def notices_of(request: Request) -> Notices:
    return cast(Notices, request.app.state.notices)


async def existing(operation_id: UUID, session: Session, actor: CurrentActor) -> OperationOut:
    return await shown(session, operation_id)


Existing = Annotated[OperationOut, Depends(existing)]


@router.get("", dependencies=[Requires("operations:read", own=True)])
async def list_all_operations(
    session: Session,
    actor: CurrentActor,
    wanted: WantedPage,
    kind: OperationKind | None = None,
    state: OperationState | None = None,
) -> OperationList:
    """Operations of all tenants, the last one first."""
    query = select(Operation).where(Operation.tenant_id.in_(visible(select(Tenant.id), actor)))
    for column, value in ((Operation.kind, kind), (Operation.state, state)):
        if value is not None:
            query = query.where(column == value)
    found = await page(session, query, Operation.number, wanted=wanted, descending=True)
    concerned = select(Tenant.id, Tenant.slug).where(Tenant.id.in_({operation.tenant_id for operation in found.items}))
    slugs = {row.id: row.slug for row in await session.execute(concerned)}
    return OperationList(items=[OperationOut.of(operation, slugs[operation.tenant_id]) for operation in found.items], next=found.next)


@router.get("/{operation_id}")
async def get_operation(operation: Existing) -> OperationOut:
    return operation


@router.get("/{operation_id}/events", response_class=EventSourceResponse)
async def operation_events(
    operation: Existing, platform: ThisPlatform, notices: Annotated[Notices, Depends(notices_of)]
) -> AsyncIterator[ServerSentEvent]:
    """Events named `operation`, each with the operation whole; one named `end` when it is over."""
    async for current in follow(platform, notices, operation.id):
        yield ServerSentEvent(data=current, event="operation")
    yield ServerSentEvent(data={"id": str(operation.id)}, event="end")


class Reason(BaseModel):
    """Why a person steps in; it goes into the audit and is shown with the operation."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


@dataclass(frozen=True)
class Locked:
    tenant: Tenant
    operation: Operation


async def locked(operation: Existing, session: Session) -> Locked:
    """The tenant and then the operation, as everybody locks them."""
    row = await service.get(session, operation.id)
    tenant = await session.get_one(Tenant, row.tenant_id, with_for_update=True, populate_existing=True)
    await session.refresh(row, with_for_update=True)
    return Locked(tenant, row)


LockedOperation = Annotated[Locked, Depends(locked)]
_WRITES: Final = [Requires("operations:write")]


@router.post("/{operation_id}/retry", status_code=202, dependencies=_WRITES)
async def retry_operation(found: LockedOperation, session: Session, actor: CurrentActor, platform: ThisPlatform) -> OperationOut:
    """Take a failed operation up again at the step where it failed, with a new deadline; let one that waits try at once."""
    await actions.retry(session, found.tenant, found.operation, actor=actor, at=platform.clock.now())
    return OperationOut.of(found.operation, found.tenant.slug)


@router.post("/{operation_id}/skip", status_code=202, dependencies=_WRITES)
async def skip_step(why: Reason, found: LockedOperation, session: Session, actor: CurrentActor, platform: ThisPlatform) -> OperationOut:
    """Leave out the step it stands at, where nothing that follows needs it (`skippable`), and go on."""
    await actions.skip(session, found.tenant, found.operation, why.reason, actor=actor, at=platform.clock.now())
    return OperationOut.of(found.operation, found.tenant.slug)


@router.post("/{operation_id}/cancel", status_code=202, dependencies=_WRITES)
async def cancel_operation(
    why: Reason, found: LockedOperation, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> OperationOut:
    """End it without finishing it, at the end of the step a worker is at. What it left behind is taken back where that is possible."""
    await actions.cancel(session, found.tenant, found.operation, why.reason, actor=actor, at=platform.clock.now())
    return OperationOut.of(found.operation, found.tenant.slug)


@router.post("/{operation_id}/roll-back", status_code=202, dependencies=_WRITES)
async def roll_back_operation(
    why: Reason, found: LockedOperation, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> OperationOut:
    """Take back what it has done, data included, at the end of the step a worker is at."""
    await actions.roll_back(session, found.tenant, found.operation, why.reason, actor=actor, at=platform.clock.now())
    return OperationOut.of(found.operation, found.tenant.slug)
