"""/v1/keys: the operators' own keys."""

from datetime import datetime

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from control_plane.access import service
from control_plane.access.models import OperatorKey
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform, show_once
from control_plane.audit import service as audit

router = APIRouter(prefix="/keys", tags=["keys"], route_class=PlatformRoute)


class NewKey(BaseModel):
    name: str = Field(min_length=1, max_length=80, description="Whose key this is.")


class KeyOut(BaseModel):
    name: str
    prefix: str
    created_at: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: OperatorKey) -> "KeyOut":
        return cls(name=key.name, prefix=key.prefix, created_at=key.created_at, revoked_at=key.revoked_at)


class CreatedKey(KeyOut):
    key: str | None = Field(description="Shown this once; null where the request is repeated with its Idempotency-Key.")


class KeyList(BaseModel):
    items: list[KeyOut]


@router.post("", status_code=201)
async def create_key(body: NewKey, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> CreatedKey:
    show_once(request, "key")
    now = platform.clock.now()
    row, key = await service.create_key(session, body.name, at=now)
    audit.record(session, actor, "key.created", at=now, prefix=row.prefix, name=body.name)
    return CreatedKey(key=key, **KeyOut.of(row).model_dump())


@router.get("")
async def list_keys(session: Session, actor: CurrentActor) -> KeyList:
    return KeyList(items=[KeyOut.of(key) for key in await service.list_keys(session)])


@router.delete("/{prefix}")
async def revoke_key(prefix: str, session: Session, actor: CurrentActor, platform: ThisPlatform) -> KeyOut:
    now = platform.clock.now()
    row = await service.revoke_key(session, prefix, at=now)
    audit.record(session, actor, "key.revoked", at=now, prefix=prefix)
    return KeyOut.of(row)
