"""/v1/keys: keys of the API. Everybody sees and ends their own; those who look after access all of them."""

from datetime import timedelta

from fastapi import APIRouter, Request

from control_plane.access import service
from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform, show_once
from control_plane.access.schemas import CreatedKey, KeyList, KeyOut, NewKey, Rotation
from control_plane.audit import service as audit

router = APIRouter(prefix="/keys", tags=["keys"], route_class=PlatformRoute, dependencies=[Requires(None, own=True)])


@router.post("", status_code=201)
async def create_key(body: NewKey, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> CreatedKey:
    """A key of your own, with all of your scopes or some of them. Keys without `access:write` make no keys: sign in for that."""
    show_once(request, "key")
    now = platform.clock.now()
    lasting = timedelta(days=body.expires_in_days) if body.expires_in_days else None
    row, key = await service.create_key_for(session, actor, body.name, at=now, scopes=body.scopes, lasting=lasting)
    audit.record(session, actor, "key.created", at=now, prefix=row.prefix, name=body.name, scopes=row.scopes)
    return CreatedKey(key=key, **KeyOut.of(row).model_dump())


@router.get("")
async def list_keys(session: Session, actor: CurrentActor) -> KeyList:
    return KeyList(items=[KeyOut.of(key) for key in await service.list_keys(session, actor)])


@router.post("/{prefix}/rotate", status_code=201)
async def rotate_key(
    prefix: str, body: Rotation, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> CreatedKey:
    """A new key with the same rights and span of life; the old one is accepted until the overlap is over."""
    show_once(request, "key")
    now = platform.clock.now()
    row, key = await service.rotate_key(session, actor, prefix, at=now, overlap=timedelta(hours=body.overlap_hours))
    audit.record(session, actor, "key.rotated", at=now, prefix=prefix, replaced_by=row.prefix)
    return CreatedKey(key=key, **KeyOut.of(row).model_dump())


@router.delete("/{prefix}")
async def revoke_key(prefix: str, session: Session, actor: CurrentActor, platform: ThisPlatform) -> KeyOut:
    """End a key at once."""
    now = platform.clock.now()
    row = await service.revoke_key(session, actor, prefix, at=now)
    audit.record(session, actor, "key.revoked", at=now, prefix=prefix)
    return KeyOut.of(row)
