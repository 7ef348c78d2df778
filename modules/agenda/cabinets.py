"""The clinic's cabinets."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from .errors import CabinetArchived, CabinetNameTaken, CabinetNotFound
from .models import Cabinet
from .schemas import CabinetCreate, CabinetUpdate

ACTIVE, ARCHIVED = "active", "archived"


async def list_cabinets(db: AsyncSession, clinic_id: UUID, *, archived: bool = False) -> list[Cabinet]:
    """In the clinic's own order; with the archived ones only if asked for."""
    query = select(Cabinet).where(Cabinet.clinic_id == clinic_id).order_by(Cabinet.position, Cabinet.name, Cabinet.id)
    if not archived:
        query = query.where(Cabinet.status == ACTIVE)
    return list((await db.execute(query)).scalars())


async def create_cabinet(db: AsyncSession, clinic_id: UUID, given: CabinetCreate) -> Cabinet:
    """Raises CabinetNameTaken."""
    statement = insert(Cabinet).values(clinic_id=clinic_id, **given.model_dump()).on_conflict_do_nothing().returning(Cabinet)
    cabinet = (await db.execute(statement)).scalar_one_or_none()
    if cabinet is None:
        raise CabinetNameTaken(given.name)
    return cabinet


async def update_cabinet(db: AsyncSession, clinic_id: UUID, cabinet_id: UUID, update: CabinetUpdate) -> Cabinet:
    """Raises CabinetNotFound, CabinetNameTaken. Archiving keeps the appointments that were booked there."""
    # All names of the clinic stay as they are while one of them changes.
    rows = (await db.execute(select(Cabinet).where(Cabinet.clinic_id == clinic_id).order_by(Cabinet.id).with_for_update())).scalars()
    cabinets = {cabinet.id: cabinet for cabinet in rows}
    cabinet = cabinets.get(cabinet_id)
    if cabinet is None:
        raise CabinetNotFound(cabinet_id)
    changes = update.changes()
    if any(other.name == changes.get("name") for other in cabinets.values() if other is not cabinet):
        raise CabinetNameTaken(changes["name"])
    if (archived := changes.pop("archived", None)) is not None:
        cabinet.status = ARCHIVED if archived else ACTIVE
    for name, value in changes.items():
        setattr(cabinet, name, value)
    await db.flush()
    return cabinet


async def require_active(db: AsyncSession, clinic_id: UUID, cabinet_id: UUID) -> Cabinet:
    """A cabinet to book in, kept from being archived until the transaction ends. Raises CabinetNotFound, CabinetArchived."""
    query = select(Cabinet).where(Cabinet.clinic_id == clinic_id, Cabinet.id == cabinet_id).with_for_update(read=True)
    cabinet = (await db.execute(query)).scalar_one_or_none()
    if cabinet is None:
        raise CabinetNotFound(cabinet_id)
    if cabinet.status == ARCHIVED:
        raise CabinetArchived(cabinet.name)
    return cabinet
