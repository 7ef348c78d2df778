"""Holding a professional's and a cabinet's time.

The exclusion constraints decide. This file makes their verdict quick (no deadlock between two inserts waiting for each other) and
readable (which appointment is in the way).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from .errors import AppointmentClash
from .models import CABINET_OVERLAP, PROFESSIONAL_OVERLAP, Appointment
from .states import FREEING

_RESOURCES = {PROFESSIONAL_OVERLAP: "professional", CABINET_OVERLAP: "cabinet"}


@dataclass(frozen=True, slots=True)
class Slot:
    """The time one appointment is about to hold."""

    clinic_id: UUID
    appointment_id: UUID
    professional_id: UUID
    cabinet_id: UUID | None
    starts_at: datetime
    ends_at: datetime


@asynccontextmanager
async def held(db: AsyncSession, slot: Slot) -> AsyncIterator[None]:
    """Write the appointment into `slot` in this block; raises AppointmentClash if the professional or the cabinet is taken.

    Bookings of one professional or one cabinet wait for each other until the transaction ends: two inserts checked by an exclusion
    constraint at the same moment would wait for one another, and one would die of a deadlock. A clash leaves the transaction usable.
    """
    await _queue(db, slot)
    try:
        async with db.begin_nested():
            yield
            await db.flush()
    except IntegrityError as error:
        resource = _RESOURCES.get(_constraint(error) or "")
        if resource is None:
            raise
        raise await _clash(db, slot, resource) from error


async def _queue(db: AsyncSession, slot: Slot) -> None:
    for resource in sorted(str(held_id) for held_id in (slot.professional_id, slot.cabinet_id) if held_id is not None):
        key = func.hashtextextended(f"agenda:{slot.clinic_id}:{resource}", 0)
        await db.execute(select(func.pg_advisory_xact_lock(key)))


def _constraint(error: IntegrityError) -> str | None:
    """The name of the violated constraint; asyncpg's own exception stands behind the dialect's."""
    cause: BaseException | None = error.orig
    while cause is not None:
        name: str | None = getattr(cause, "constraint_name", None)
        if name:
            return name
        cause = cause.__cause__
    return None


async def _clash(db: AsyncSession, slot: Slot, resource: str) -> AppointmentClash:
    same = Appointment.cabinet_id == slot.cabinet_id if resource == "cabinet" else Appointment.professional_id == slot.professional_id
    query = (
        select(Appointment.id, Appointment.starts_at, Appointment.ends_at)
        .where(
            Appointment.clinic_id == slot.clinic_id,
            Appointment.id != slot.appointment_id,
            Appointment.status.not_in([status.value for status in FREEING]),
            Appointment.starts_at < slot.ends_at,
            Appointment.ends_at > slot.starts_at,
            same,
        )
        .order_by(Appointment.starts_at)
        .limit(1)
    )
    row = (await db.execute(query)).one_or_none()
    if row is None:
        return AppointmentClash(resource, None, slot.starts_at, slot.ends_at)
    return AppointmentClash(resource, row.id, row.starts_at, row.ends_at)
