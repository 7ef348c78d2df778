"""/v1/audit: who did what on this platform, and the chain by which anybody can check that nothing of it was changed since."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from sqlalchemy import select

from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.audit import service
from control_plane.audit.chain import Head
from control_plane.audit.models import AuditEntry
from control_plane.audit.schemas import ChainedList, ChainedOut, HeadOut
from control_plane.database import Database
from control_plane.pagination import WantedPage, page

router = APIRouter(prefix="/audit", tags=["audit"], route_class=PlatformRoute, dependencies=[Requires("audit:read")])
NDJSON = "application/x-ndjson"


@router.get("")
async def list_entries(
    session: Session,
    wanted: WantedPage,
    tenant_id: Annotated[UUID | None, Query(description="Only what was done to this tenant.")] = None,
    actor: Annotated[str | None, Query(max_length=120, description="As entries name it: `operator:…`.")] = None,
    action: Annotated[str | None, Query(max_length=60)] = None,
) -> ChainedList:
    """Entries, the last first."""
    query = select(AuditEntry).where(AuditEntry.position.is_not(None))
    for column, value in ((AuditEntry.tenant_id, tenant_id), (AuditEntry.actor, actor), (AuditEntry.action, action)):
        if value is not None:
            query = query.where(column == value)
    found = await page(session, query, AuditEntry.number, wanted=wanted, descending=True)
    return ChainedList(items=[ChainedOut.of(entry) for entry in found.items], next=found.next)


@router.get("/head")
async def get_head(session: Session) -> HeadOut:
    """Where the chain ends now."""
    return HeadOut.of(await service.head(session))


@router.get("/export", response_class=StreamingResponse, responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}}})
async def export(session: Session, platform: ThisPlatform, actor: CurrentActor) -> StreamingResponse:
    """The whole chain as JSON lines, the first entry first; the last line is the head. `dentalpin-cloud audit verify` reads it."""
    until = await service.head(session)
    return StreamingResponse(_lines(platform.database, until), media_type=NDJSON)


async def _lines(database: Database, until: Head) -> AsyncIterator[str]:
    async for link in service.links(database, until):
        yield _line(asdict(link))
    yield _line({"head": asdict(until)})


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
