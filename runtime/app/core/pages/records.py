"""`/records`: everything modules hold of the clinic, to be read, printed by the browser, and taken along as CSV. In every mode."""

import csv
import io
from collections.abc import Hashable
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import trail
from app.core.auth.dependencies import asked_clinic
from app.core.auth.errors import PermissionDenied
from app.core.auth.identity import ClinicRole, Identity
from app.core.auth.permissions import permissions_for
from app.core.errors import DomainError
from app.core.modes import refuse
from app.core.records import reading
from app.core.records.tables import RecordTable, as_text, for_spreadsheets, in_words, readable, tables_for
from app.database import get_db, set_clinic

from .render import page
from .texts import TEXTS, language
from .visitor import see, signed_in

router = APIRouter(prefix="/records", include_in_schema=False, default_response_class=Response)
Db = Annotated[AsyncSession, Depends(get_db)]
Asked = Annotated[UUID | None, Depends(asked_clinic)]
PartNumber = Annotated[int, Query(alias="part", ge=1, le=100_000)]
ON_A_PAGE: Final = 500
IN_A_FILE: Final = 20_000
_PLATFORM: Final = text("SELECT document #>> '{platform,url}' FROM core_revision ORDER BY generation DESC LIMIT 1")


class NoSuchRecords(DomainError):
    status = 404
    code = "records_unknown"

    def __init__(self, name: str) -> None:
        super().__init__(f"There are no records named {name!r} here that you may read. Look at /records.")


def readable_by(request: Request, me: Identity, current: ClinicRole) -> list[RecordTable]:
    registry = request.app.state.registry
    return tables_for(registry, permissions_for(current.grants, registry), owner=me.user.is_owner)


@router.get("")
async def list_records(request: Request, db: Db, asked: Asked) -> Response:
    """What there is, table by table, and how much of it."""
    me = await signed_in(request, db)
    if me is None:
        return see("/sign-in")
    current, tables = _chosen(request, me, asked)
    await set_clinic(db, current.clinic.id)
    counted = [(table, await reading.count(db, table, current.clinic.id)) for table in tables]
    platform = await db.scalar(_PLATFORM) if me.user.is_owner else None
    return page(request, "records.html", user=me.user, clinic=current.clinic, tables=counted, readable=readable, platform=platform)


@router.get("/{name}")
async def show_records(name: str, request: Request, db: Db, asked: Asked, number: PartNumber = 1) -> Response:
    """A table to read and to print; what it points at by name."""
    me = await signed_in(request, db)
    if me is None:
        return see("/sign-in")
    current, table = _table(request, me, asked, name)
    await set_clinic(db, current.clinic.id)
    part = await reading.read(db, table, current.clinic.id, part=number, size=ON_A_PAGE)
    named, zone = await reading.labels(db, table, part.rows), ZoneInfo(current.clinic.timezone)
    texts = TEXTS[language(request.headers.get("accept-language", ""))]

    def shown(place: int, value: Any) -> str:
        known = named.get(place, {}).get(value) if isinstance(value, Hashable) else None
        return known or in_words(value, zone, (texts["yes"], texts["no"]))

    return page(
        request,
        "record_table.html",
        user=me.user,
        clinic=current.clinic,
        table=table,
        part=part,
        shown=shown,
        readable=readable,
    )


@router.get("/{name}/csv")
async def take_records(name: str, request: Request, db: Db, asked: Asked, number: PartNumber = 1) -> Response:
    """The same as a file; that it was taken stands in the clinic's trail."""
    me = await signed_in(request, db)
    if me is None:
        return see("/sign-in")
    refuse("export", request.app.state.mode)
    current, table = _table(request, me, asked, name)
    await set_clinic(db, current.clinic.id)
    part = await reading.read(db, table, current.clinic.id, part=number, size=IN_A_FILE)
    details = {"records": table.name, "part": part.part, "rows": len(part.rows)}
    await trail.record(db, request, "records_taken", user_id=me.user.id, actor_id=me.user.id, clinic_id=current.clinic.id, **details)
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow([column.name for column in table.columns])
    writer.writerows(for_spreadsheets(as_text(value) for value in row) for row in part.rows)
    marked = "demo-" if request.app.state.demo else ""
    headers = {
        "Content-Disposition": f'attachment; filename="{marked}{table.name}-{part.part}-of-{part.parts}.csv"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return Response(stream.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _chosen(request: Request, me: Identity, asked: UUID | None) -> tuple[ClinicRole, list[RecordTable]]:
    """Raises what choosing a clinic raises, and PermissionDenied for whom nothing is to be read."""
    current = me.choose(asked)
    tables = readable_by(request, me, current)
    if not tables:
        raise PermissionDenied("*.read", current.role)
    return current, tables


def _table(request: Request, me: Identity, asked: UUID | None, name: str) -> tuple[ClinicRole, RecordTable]:
    """Raises NoSuchRecords, also for those that are not theirs to read."""
    current, tables = _chosen(request, me, asked)
    found = next((table for table in tables if table.name == name), None)
    if found is None:
        raise NoSuchRecords(name[:80])
    return current, found
