"""`/support`: who of the platform asks to look into the clinic, as forms: let in, say no, end it."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import clock
from app.core.auth.errors import PermissionDenied
from app.core.auth.identity import Identity
from app.core.auth.permissions import permissions_for
from app.core.auth.trail import Origin
from app.core.plugins.who import refuse_unless_everywhere
from app.core.support import service
from app.core.support.router import WRITE
from app.database import get_db

from .forms import read_form
from .render import page
from .visitor import see, signed_in

router = APIRouter(prefix="/support", include_in_schema=False, default_response_class=Response)
Db = Annotated[AsyncSession, Depends(get_db)]
SHOWN_AT_ONCE: Final = 50


def may_answer(request: Request, me: Identity) -> bool:
    """Whether they may say no to support, or end it, in one clinic at least."""
    registry = request.app.state.registry
    return me.user.is_owner or any(WRITE in permissions_for(each.grants, registry) for each in me.memberships)


@router.get("")
async def support(request: Request, db: Db) -> Response:
    me = await signed_in(request, db)
    if me is None:
        return see("/sign-in")
    _refuse(request, me)
    listed, _ = await service.page_of(db, page=1, page_size=SHOWN_AT_ONCE, at=clock.now())
    return page(request, "support.html", user=me.user, accesses=listed)


@router.post("/{access_id}/accept")
async def accept(access_id: UUID, request: Request, db: Db) -> Response:
    await read_form(request)
    me = await signed_in(request, db)
    if me is None:
        return see("/sign-in")
    _refuse(request, me)
    if not me.user.is_owner:
        await refuse_unless_everywhere(request, db, me, WRITE)
    await service.accept(db, access_id, by=me.user.id, origin=Origin.of(request), at=clock.now())
    return see("/support")


@router.post("/{access_id}/decline")
async def decline(access_id: UUID, request: Request, db: Db) -> Response:
    async def answer(me: Identity) -> object:
        return await service.decline(db, access_id, by=me.user.id, origin=Origin.of(request), at=clock.now())

    return await _answered(request, db, answer)


@router.post("/{access_id}/revoke")
async def revoke(access_id: UUID, request: Request, db: Db) -> Response:
    async def answer(me: Identity) -> object:
        return await service.revoke(db, access_id, by=me.user.id, origin=Origin.of(request), at=clock.now())

    return await _answered(request, db, answer)


async def _answered(request: Request, db: AsyncSession, answer: Callable[[Identity], Awaitable[object]]) -> Response:
    await read_form(request)
    me = await signed_in(request, db)
    if me is None:
        return see("/sign-in")
    _refuse(request, me)
    await answer(me)
    return see("/support")


def _refuse(request: Request, me: Identity) -> None:
    """Raises PermissionDenied."""
    if not may_answer(request, me):
        raise PermissionDenied(WRITE, me.memberships[0].role if me.memberships else "-")
