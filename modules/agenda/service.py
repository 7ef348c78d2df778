"""Appointments of one clinic. Knows no HTTP and never commits: the request, handler or hook that calls it is the transaction."""

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, Select, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.models import Membership
from app.modules.patients.service import PatientService

from . import cabinets, events
from .booking import Slot, held
from .errors import (
    AppointmentChanged,
    AppointmentClosed,
    AppointmentNotFound,
    CabinetRequiredError,
    IllegalTransition,
    PeriodInvalid,
    ProfessionalNotFound,
    RangeTooLong,
)
from .models import Appointment, AppointmentCabinetEvent, AppointmentStatusEvent
from .schemas import AppointmentCreate, AppointmentUpdate
from .states import TERMINAL, AppointmentStatus, find_transition

LONGEST = timedelta(hours=24)
LONGEST_CALENDAR = 62

History = TypeVar("History", AppointmentStatusEvent, AppointmentCabinetEvent)


@dataclass(frozen=True, slots=True)
class AppointmentFilter:
    """What to list; None means any."""

    patient_id: UUID | None = None
    professional_id: UUID | None = None
    cabinet_id: UUID | None = None
    status: AppointmentStatus | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Period:
    starts_at: datetime
    ends_at: datetime


class AgendaService:
    """The module's public functions. Modules that depend on `agenda` may call them."""

    @staticmethod
    async def list_appointments(
        db: AsyncSession, clinic_id: UUID, wanted: AppointmentFilter, page: int = 1, page_size: int = 20
    ) -> tuple[list[Appointment], int]:
        """One page by start, and how many there are in all. A range takes whatever overlaps it."""
        total = (await db.execute(_filtered(select(func.count()).select_from(Appointment), clinic_id, wanted))).scalar_one()
        query = _filtered(select(Appointment), clinic_id, wanted).order_by(Appointment.starts_at, Appointment.id)
        rows = await db.execute(query.offset((page - 1) * page_size).limit(page_size))
        return list(rows.scalars()), total

    @staticmethod
    async def list_calendar(db: AsyncSession, clinic_id: UUID, period: Period, wanted: AppointmentFilter) -> list[Appointment]:
        """Everything that overlaps the period, by start."""
        query = _filtered(select(Appointment), clinic_id, replace(wanted, starts_at=period.starts_at, ends_at=period.ends_at))
        return list((await db.execute(query.order_by(Appointment.starts_at, Appointment.id))).scalars())

    @staticmethod
    async def get_appointment(db: AsyncSession, clinic_id: UUID, appointment_id: UUID) -> Appointment:
        """Raises AppointmentNotFound, for another clinic's appointment too."""
        return await _one(db, select(Appointment), clinic_id, appointment_id)

    @staticmethod
    async def create_appointment(db: AsyncSession, clinic_id: UUID, given: AppointmentCreate, actor: UUID | None) -> Appointment:
        """Book. Raises PatientNotFound, PatientArchived, ProfessionalNotFound, CabinetNotFound, CabinetArchived, AppointmentClash."""
        _check_period(given.starts_at, given.ends_at)
        await PatientService.require_active(db, clinic_id, given.patient_id)
        await _require_professional(db, clinic_id, given.professional_id)
        if given.cabinet_id is not None:
            await cabinets.require_active(db, clinic_id, given.cabinet_id)
        appointment = Appointment(id=uuid.uuid4(), clinic_id=clinic_id, created_by=actor, **given.model_dump())
        async with held(db, _slot(appointment)):
            db.add(appointment)
        status = AppointmentStatus(appointment.status)
        await _record_status(db, appointment, None, status, actor)
        if appointment.cabinet_id is not None:
            await _record_cabinet(db, appointment, None, actor)
        events.publish_scheduled(appointment)
        return appointment

    @staticmethod
    async def update_appointment(db: AsyncSession, clinic_id: UUID, appointment_id: UUID, update: AppointmentUpdate) -> Appointment:
        """Move or annotate. Raises AppointmentNotFound, AppointmentChanged, AppointmentClosed, ProfessionalNotFound, AppointmentClash."""
        appointment = await _locked(db, clinic_id, appointment_id)
        if appointment.version != update.version:
            raise AppointmentChanged(appointment_id, expected=update.version, current=appointment.version)
        _require_open(appointment)
        changes = {name: value for name, value in update.changes().items() if getattr(appointment, name) != value}
        if not changes:
            return appointment
        before = _slot(appointment)
        if "professional_id" in changes:
            await _require_professional(db, clinic_id, changes["professional_id"])
        after = replace(before, **{name: changes[name] for name in ("professional_id", "starts_at", "ends_at") if name in changes})
        _check_period(after.starts_at, after.ends_at)
        async with held(db, after):
            for name, value in changes.items():
                setattr(appointment, name, value)
        if after != before:
            events.publish_rescheduled(
                appointment, from_starts_at=before.starts_at, from_ends_at=before.ends_at, from_professional_id=before.professional_id
            )
        return appointment

    @staticmethod
    async def change_status(
        db: AsyncSession, clinic_id: UUID, appointment_id: UUID, target: AppointmentStatus, *, actor: UUID | None, note: str = ""
    ) -> Appointment:
        """One step of the status table, recorded and published. Raises AppointmentNotFound, IllegalTransition, CabinetRequiredError."""
        appointment = await _locked(db, clinic_id, appointment_id)
        source = AppointmentStatus(appointment.status)
        transition = find_transition(source, target)
        if transition is None:
            raise IllegalTransition(source, target)
        if transition.needs_cabinet and appointment.cabinet_id is None:
            raise CabinetRequiredError(appointment_id)
        appointment.status = target.value
        record = await _record_status(db, appointment, source, target, actor, note)
        events.publish_transition(appointment, transition, record)
        return appointment

    @staticmethod
    async def change_cabinet(
        db: AsyncSession, clinic_id: UUID, appointment_id: UUID, cabinet_id: UUID | None, *, actor: UUID | None
    ) -> Appointment:
        """Assign, reassign or take away the cabinet; the same one again changes nothing.

        Raises AppointmentNotFound, AppointmentClosed, CabinetNotFound, CabinetArchived, AppointmentClash, CabinetRequiredError
        (in treatment).
        """
        appointment = await _locked(db, clinic_id, appointment_id)
        _require_open(appointment)
        previous = appointment.cabinet_id
        if previous == cabinet_id:
            return appointment
        if cabinet_id is not None:
            await cabinets.require_active(db, clinic_id, cabinet_id)
        elif appointment.status == AppointmentStatus.IN_TREATMENT:
            raise CabinetRequiredError(appointment_id)
        async with held(db, replace(_slot(appointment), cabinet_id=cabinet_id)):
            appointment.cabinet_id = cabinet_id
        record = await _record_cabinet(db, appointment, previous, actor)
        events.publish_cabinet_changed(appointment, record)
        return appointment

    @staticmethod
    async def list_transitions(db: AsyncSession, clinic_id: UUID, appointment_id: UUID) -> list[AppointmentStatusEvent]:
        """The statuses an appointment came into, oldest first. Raises AppointmentNotFound."""
        await _one(db, select(Appointment), clinic_id, appointment_id)
        return await _history(db, AppointmentStatusEvent, clinic_id, appointment_id)

    @staticmethod
    async def list_cabinet_history(db: AsyncSession, clinic_id: UUID, appointment_id: UUID) -> list[AppointmentCabinetEvent]:
        """The cabinets an appointment was given, oldest first. Raises AppointmentNotFound."""
        await _one(db, select(Appointment), clinic_id, appointment_id)
        return await _history(db, AppointmentCabinetEvent, clinic_id, appointment_id)

    @staticmethod
    async def calendar_period(db: AsyncSession, timezone: str, first: date, last: date) -> Period:
        """From the midnight that begins `first` to the one that ends `last`, in the clinic's time zone. Raises RangeTooLong.

        The database does the sum: its time zone tables are there on every machine, Python's are not.
        """
        days = (last - first).days + 1
        if not 1 <= days <= LONGEST_CALENDAR:
            raise RangeTooLong(days, LONGEST_CALENDAR)
        starts_at, ends_at = (_midnight(timezone, day) for day in (first, last + timedelta(days=1)))
        row = (await db.execute(select(starts_at.label("starts_at"), ends_at.label("ends_at")))).one()
        return Period(row.starts_at, row.ends_at)


def _midnight(timezone: str, day: date) -> ColumnElement[datetime]:
    local = literal(datetime.combine(day, time.min), DateTime(timezone=False))
    return func.timezone(timezone, local, type_=DateTime(timezone=True))


def _check_period(starts_at: datetime, ends_at: datetime) -> None:
    if not timedelta(0) < ends_at - starts_at <= LONGEST:
        raise PeriodInvalid


def _slot(appointment: Appointment) -> Slot:
    return Slot(
        appointment.clinic_id,
        appointment.id,
        appointment.professional_id,
        appointment.cabinet_id,
        appointment.starts_at,
        appointment.ends_at,
    )


def _overlapping(starts_at: datetime | None, ends_at: datetime | None) -> list[ColumnElement[bool]]:
    """Nothing lasts longer than LONGEST, which bounds the start on both sides: the index on it finds the range."""
    conditions: list[ColumnElement[bool]] = []
    if starts_at is not None:
        conditions += [Appointment.ends_at > starts_at, Appointment.starts_at > starts_at - LONGEST]
    if ends_at is not None:
        conditions.append(Appointment.starts_at < ends_at)
    return conditions


def _filtered(query: Select[Any], clinic_id: UUID, wanted: AppointmentFilter) -> Select[Any]:
    equal = {
        Appointment.patient_id: wanted.patient_id,
        Appointment.professional_id: wanted.professional_id,
        Appointment.cabinet_id: wanted.cabinet_id,
        Appointment.status: wanted.status,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    return query.where(Appointment.clinic_id == clinic_id, *conditions, *_overlapping(wanted.starts_at, wanted.ends_at))


async def _one(db: AsyncSession, query: Select[Appointment], clinic_id: UUID, appointment_id: UUID) -> Appointment:
    row = await db.execute(query.where(Appointment.clinic_id == clinic_id, Appointment.id == appointment_id))
    appointment = row.scalar_one_or_none()
    if appointment is None:
        raise AppointmentNotFound(appointment_id)
    return appointment


async def _locked(db: AsyncSession, clinic_id: UUID, appointment_id: UUID) -> Appointment:
    query = select(Appointment).with_for_update(key_share=True).execution_options(populate_existing=True)
    return await _one(db, query, clinic_id, appointment_id)


def _require_open(appointment: Appointment) -> None:
    if appointment.status in TERMINAL:
        raise AppointmentClosed(appointment.id, appointment.status)


async def _require_professional(db: AsyncSession, clinic_id: UUID, user_id: UUID) -> None:
    query = select(Membership.id).where(Membership.clinic_id == clinic_id, Membership.user_id == user_id)
    if (await db.execute(query)).scalar_one_or_none() is None:
        raise ProfessionalNotFound(user_id)


async def _record_status(
    db: AsyncSession,
    appointment: Appointment,
    source: AppointmentStatus | None,
    target: AppointmentStatus,
    actor: UUID | None,
    note: str = "",
) -> AppointmentStatusEvent:
    record = AppointmentStatusEvent(
        clinic_id=appointment.clinic_id,
        appointment_id=appointment.id,
        from_status=source,
        to_status=target,
        note=note,
        changed_by=actor,
        changed_at=datetime.now(UTC),
    )
    db.add(record)
    await db.flush()
    return record


async def _record_cabinet(db: AsyncSession, appointment: Appointment, previous: UUID | None, actor: UUID | None) -> AppointmentCabinetEvent:
    record = AppointmentCabinetEvent(
        clinic_id=appointment.clinic_id,
        appointment_id=appointment.id,
        from_cabinet_id=previous,
        to_cabinet_id=appointment.cabinet_id,
        changed_by=actor,
        changed_at=datetime.now(UTC),
    )
    db.add(record)
    await db.flush()
    return record


async def _history(db: AsyncSession, model: type[History], clinic_id: UUID, appointment_id: UUID) -> list[History]:
    query = select(model).where(model.clinic_id == clinic_id, model.appointment_id == appointment_id).order_by(model.changed_at, model.id)
    return list((await db.execute(query)).scalars())
