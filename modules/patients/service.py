"""Patients of one clinic. Knows no HTTP and never commits: the request, handler or hook that calls it is the transaction."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, cast, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.ext.asyncio import AsyncSession

from . import events, normalise
from .errors import PatientArchived, PatientChanged, PatientNotFound
from .models import Patient
from .schemas import DuplicateReason, PatientCreate, PatientStatus, PatientUpdate, PossibleDuplicate, StatusFilter

MOST_DUPLICATES = 10


class PatientService:
    """The module's public functions. Modules that depend on `patients` may call them."""

    @staticmethod
    async def list_patients(
        db: AsyncSession,
        clinic_id: UUID,
        search: str | None = None,
        page: int = 1,
        page_size: int = 20,
        status: StatusFilter = StatusFilter.ACTIVE,
    ) -> tuple[list[Patient], int]:
        """One page of the clinic's patients by last name, and how many there are in all.

        `search` finds words of a name, an e-mail address, a document, or a phone number however it is spaced; every word must match.
        """
        found = _filtered(select(Patient), clinic_id, search, status)
        total = (await db.execute(_filtered(select(func.count()).select_from(Patient), clinic_id, search, status))).scalar_one()
        ordered = found.order_by(Patient.sort_name, Patient.id).offset((page - 1) * page_size).limit(page_size)
        return list((await db.execute(ordered)).scalars()), total

    @staticmethod
    async def get_patient(db: AsyncSession, clinic_id: UUID, patient_id: UUID) -> Patient:
        """Raises PatientNotFound, for another clinic's patient too."""
        return await _one(db, select(Patient), clinic_id, patient_id)

    @staticmethod
    async def get_patients(db: AsyncSession, clinic_id: UUID, patient_ids: Sequence[UUID]) -> dict[UUID, Patient]:
        """Those of the given patients that belong to the clinic, by id."""
        if not patient_ids:
            return {}
        rows = await db.execute(select(Patient).where(Patient.clinic_id == clinic_id, Patient.id.in_(set(patient_ids))))
        return {patient.id: patient for patient in rows.scalars()}

    @staticmethod
    async def require_active(db: AsyncSession, clinic_id: UUID, patient_id: UUID) -> Patient:
        """A patient something may be booked or written for; the row is kept from being archived until the transaction ends.

        Raises PatientNotFound, PatientArchived.
        """
        patient = await _one(db, select(Patient).with_for_update(read=True), clinic_id, patient_id)
        if patient.status == PatientStatus.ARCHIVED:
            raise PatientArchived(patient_id)
        return patient

    @staticmethod
    async def create_patient(db: AsyncSession, clinic_id: UUID, given: PatientCreate) -> Patient:
        patient = Patient(clinic_id=clinic_id, **given.model_dump(exclude={"address"}), address=given.address.model_dump(exclude_none=True))
        _derive(patient)
        db.add(patient)
        await db.flush()
        events.publish_created(patient)
        return patient

    @staticmethod
    async def update_patient(db: AsyncSession, clinic_id: UUID, patient_id: UUID, update: PatientUpdate) -> Patient:
        """Raises PatientNotFound, PatientChanged (someone else wrote since `update.version` was read), PatientArchived."""
        patient = await _locked(db, clinic_id, patient_id)
        if patient.version != update.version:
            raise PatientChanged(patient_id, expected=update.version, current=patient.version)
        if patient.status == PatientStatus.ARCHIVED:
            raise PatientArchived(patient_id)
        changes = _stored(update.changes())
        changed = {name for name, value in changes.items() if getattr(patient, name) != value}
        if not changed:
            return patient
        for name in changed:
            setattr(patient, name, changes[name])
        _derive(patient)
        await db.flush()
        events.publish_updated(patient, changed)
        return patient

    @staticmethod
    async def archive_patient(db: AsyncSession, clinic_id: UUID, patient_id: UUID) -> Patient:
        """Take a patient out of the daily lists; nothing is deleted. Archiving twice changes nothing."""
        return await _set_status(db, clinic_id, patient_id, PatientStatus.ARCHIVED)

    @staticmethod
    async def restore_patient(db: AsyncSession, clinic_id: UUID, patient_id: UUID) -> Patient:
        return await _set_status(db, clinic_id, patient_id, PatientStatus.ACTIVE)

    @staticmethod
    async def find_duplicates(
        db: AsyncSession, clinic_id: UUID, given: PatientCreate | Patient, exclude: UUID | None = None
    ) -> list[PossibleDuplicate]:
        """Patients on file, archived ones too, who may be the same person as `given`.

        The same document; the same name unless both birth dates are known and differ; or the same phone or e-mail address with the
        same first name (families share those).
        """
        name = normalise.sort_name(given.first_name, given.last_name)
        document = normalise.document_key(given.national_id)
        phone = normalise.phone_digits(given.phone)
        same = [Patient.sort_name == name]
        if document:
            same.append(Patient.document_key == document)
        if given.email:
            same.append(Patient.email == given.email)
        if phone:
            same.append(Patient.phone_digits == phone)
        query = select(Patient).where(Patient.clinic_id == clinic_id, or_(*same)).order_by(Patient.sort_name, Patient.id)
        if exclude is not None:
            query = query.where(Patient.id != exclude)
        candidates = (await db.execute(query.limit(MOST_DUPLICATES * 5))).scalars()
        found = ((candidate, _reasons(candidate, given, name, document, phone)) for candidate in candidates)
        return [
            PossibleDuplicate(
                id=candidate.id,
                full_name=candidate.full_name,
                birth_date=candidate.birth_date,
                status=PatientStatus(candidate.status),
                reasons=reasons,
            )
            for candidate, reasons in found
            if reasons
        ][:MOST_DUPLICATES]


def _reasons(
    candidate: Patient, given: PatientCreate | Patient, name: str, document: str | None, phone: str | None
) -> list[DuplicateReason]:
    reasons = []
    if document and candidate.document_key == document:
        reasons.append(DuplicateReason.SAME_DOCUMENT)
    if candidate.sort_name == name:
        if candidate.birth_date is None or given.birth_date is None:
            reasons.append(DuplicateReason.SAME_NAME)
        elif candidate.birth_date == given.birth_date:
            reasons.append(DuplicateReason.SAME_NAME_AND_BIRTH_DATE)
    same_contact = (given.email and candidate.email == given.email) or (phone and candidate.phone_digits == phone)
    if same_contact and normalise.fold(candidate.first_name) == normalise.fold(given.first_name):
        reasons.append(DuplicateReason.SAME_CONTACT)
    return reasons


def _filtered(query: Select[Any], clinic_id: UUID, search: str | None, status: StatusFilter) -> Select[Any]:
    conditions = [Patient.clinic_id == clinic_id]
    if status != StatusFilter.ALL:
        conditions.append(Patient.status == status.value)
    if search and (words := normalise.needles(search)):
        patterns = cast([normalise.like_pattern(word) for word in words], ARRAY(TEXT))
        conditions.append(Patient.id.in_(select(func.patients_matching(clinic_id, patterns))))
    return query.where(and_(*conditions))


async def _one(db: AsyncSession, query: Select[Patient], clinic_id: UUID, patient_id: UUID) -> Patient:
    patient = (await db.execute(query.where(Patient.clinic_id == clinic_id, Patient.id == patient_id))).scalar_one_or_none()
    if patient is None:
        raise PatientNotFound(patient_id)
    return patient


async def _locked(db: AsyncSession, clinic_id: UUID, patient_id: UUID) -> Patient:
    query = select(Patient).with_for_update(key_share=True).execution_options(populate_existing=True)
    return await _one(db, query, clinic_id, patient_id)


async def _set_status(db: AsyncSession, clinic_id: UUID, patient_id: UUID, status: PatientStatus) -> Patient:
    patient = await _locked(db, clinic_id, patient_id)
    if patient.status != status:
        patient.status = status.value
        patient.archived_at = datetime.now(UTC) if status is PatientStatus.ARCHIVED else None
        await db.flush()
        events.publish_updated(patient, ["status"])
    return patient


def _stored(changes: dict[str, Any]) -> dict[str, Any]:
    """API values as the columns keep them."""
    if "address" in changes:
        changes["address"] = {name: value for name, value in changes["address"].items() if value is not None}
    return changes


def _derive(patient: Patient) -> None:
    patient.sort_name = normalise.sort_name(patient.first_name, patient.last_name)
    patient.document_key = normalise.document_key(patient.national_id)
    patient.phone_digits = normalise.phone_digits(patient.phone)
    patient.search_text = normalise.search_text(
        first_name=patient.first_name,
        last_name=patient.last_name,
        national_id=patient.national_id,
        email=patient.email,
        phone=patient.phone,
    )
