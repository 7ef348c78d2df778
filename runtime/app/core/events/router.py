"""`/api/v1/events`: what may be published here, deliveries that failed, and trying them again or giving them up.

A clinic's administrators see the deliveries of their clinic; those of no clinic are the owner's.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.dependencies import ClinicContext, get_clinic_context, require_permission
from app.core.schemas import ApiResponse, PaginatedApiResponse
from app.database import get_db

from . import deliveries
from .bus import event_bus
from .declared import known
from .deliveries import Choice, Scope
from .models import DeliveryStatus
from .schemas import DeliveryDetail, DeliveryOut, EventTypeOut, ReplayChoice, ReplayedOut

router = APIRouter(prefix="/events", tags=["events"])

Clinic = Annotated[ClinicContext, Depends(get_clinic_context)]
Db = Annotated[AsyncSession, Depends(get_db)]
MayRead = Annotated[None, Depends(require_permission("admin.events.read"))]
MayWrite = Annotated[None, Depends(require_permission("admin.events.write"))]
DeliveryId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Page = Annotated[int, Query(ge=1, le=1_000_000)]
PageSize = Annotated[int, Query(ge=1, le=200)]


def _scope(ctx: ClinicContext) -> Scope:
    return Scope(ctx.clinic_id, shared=ctx.user.is_owner)


@router.get("/-/catalogue", summary="Every event that may be published here, with its payload")
async def catalogue(_: MayRead, request: Request) -> ApiResponse[list[EventTypeOut]]:
    registry = request.app.state.registry
    found = [
        EventTypeOut(
            name=name,
            module=module,
            heard_by=sorted({each.module for each in event_bus.subscriptions(name, registry)}),
            payload=model.model_json_schema() if model is not None else None,
        )
        for name, module, model in known(registry)
    ]
    return ApiResponse(data=found)


@router.get("/-/dead-letters", summary="Deliveries that were given up, the newest first")
async def dead_letters(
    ctx: Clinic, _: MayRead, db: Db, module: str | None = None, event: str | None = None, page: Page = 1, page_size: PageSize = 50
) -> PaginatedApiResponse[DeliveryOut]:
    return await _page(db, ctx, Choice(DeliveryStatus.DEAD, module, event), page, page_size)


@router.post("/-/dead-letters/replay", summary="Try every dead letter of this clinic once more")
async def replay_all(choice: ReplayChoice, ctx: Clinic, _: MayWrite, db: Db) -> ApiResponse[ReplayedOut]:
    replayed = await deliveries.replay_all(db, _scope(ctx), Choice(module=choice.module, event=choice.event), by=ctx.user_id)
    return ApiResponse(data=ReplayedOut(replayed=replayed), message="They are tried now, the oldest first.")


@router.get("/-/deliveries", summary="Deliveries of this clinic, the newest first")
async def list_deliveries(
    ctx: Clinic,
    _: MayRead,
    db: Db,
    status: DeliveryStatus | None = None,
    module: str | None = None,
    event: str | None = None,
    page: Page = 1,
    page_size: PageSize = 50,
) -> PaginatedApiResponse[DeliveryOut]:
    return await _page(db, ctx, Choice(status, module, event), page, page_size)


@router.get("/{delivery_id}", summary="One delivery, with the event's payload")
async def get_delivery(delivery_id: DeliveryId, ctx: Clinic, _: MayRead, db: Db) -> ApiResponse[DeliveryDetail]:
    return ApiResponse(data=DeliveryDetail.of(await deliveries.find(db, _scope(ctx), delivery_id)))


@router.post("/{delivery_id}/replay", summary="Try a delivery that was given up once more")
async def replay(delivery_id: DeliveryId, ctx: Clinic, _: MayWrite, db: Db) -> ApiResponse[DeliveryOut]:
    return ApiResponse(data=DeliveryOut.of(await deliveries.replay(db, _scope(ctx), delivery_id, by=ctx.user_id)))


@router.post("/{delivery_id}/discard", summary="Give a delivery up; what waits behind it goes on")
async def discard(delivery_id: DeliveryId, ctx: Clinic, _: MayWrite, db: Db) -> ApiResponse[DeliveryOut]:
    return ApiResponse(data=DeliveryOut.of(await deliveries.discard(db, _scope(ctx), delivery_id, by=ctx.user_id)))


async def _page(db: AsyncSession, ctx: ClinicContext, choice: Choice, page: int, page_size: int) -> PaginatedApiResponse[DeliveryOut]:
    found, total = await deliveries.page(db, _scope(ctx), choice, limit=page_size, offset=(page - 1) * page_size)
    return PaginatedApiResponse(data=[DeliveryOut.of(each) for each in found], total=total, page=page, page_size=page_size)
