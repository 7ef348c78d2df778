"""Cabinets, appointments and the two histories of an appointment.

Who and what an appointment refers to belongs to the same clinic by composite foreign keys, and nobody is booked twice by exclusion
constraints: the database refuses, whatever the code did.
"""

import uuid
from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import UUID, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base

STATUSES = "'scheduled', 'confirmed', 'checked_in', 'in_treatment', 'completed', 'cancelled', 'no_show'"
OCCUPIES = "status NOT IN ('cancelled', 'no_show')"
PERIOD = text("tstzrange(starts_at, ends_at, '[)')")

PROFESSIONAL_OVERLAP = "ex_appointments_professional"
CABINET_OVERLAP = "ex_appointments_cabinet"


class Cabinet(Base):
    """A treatment room with its chair."""

    __tablename__ = "cabinets"
    __table_args__ = (
        UniqueConstraint("clinic_id", "id", name="uq_cabinets_clinic_id_id"),
        UniqueConstraint("clinic_id", "name", name="uq_cabinets_clinic_id_name"),
        CheckConstraint("status IN ('active', 'archived')", name="ck_cabinets_status"),
    )

    id: Mapped[uuid.UUID] = mapped_column(
        UUID(as_uuid=True), primary_key=True, default=uuid.uuid4, server_default=text("gen_random_uuid()")
    )
    clinic_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True), ForeignKey("clinics.id", name="fk_cabinets_clinic"))
    name: Mapped[str] = mapped_column(String(80))
    position: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    status: Mapped[str] = mapped_column(String(20), default="active", server_default="active")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), onupdate=func.now())

    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 (SQLAlchemy's own idiom)


class Appointment(Base):
    """A patient's time with a professional, with or without a cabinet yet (module guide, "Deferred cabinet assignment")."""

    __tablename__ = "appointments"
    __table_args__ = (
        UniqueConstraint("clinic_id", "id", name="uq_appointments_clinic_id_id"),
        ForeignKeyConstraint(["clinic_id", "patient_id"], ["patients.clinic_id", "patients.id"], name="fk_appointments_patient"),
        ForeignKeyConstraint(["clinic_id", "cabinet_id"], ["cabinets.clinic_id", "cabinets.id"], name="fk_appointments_cabinet"),
        CheckConstraint(f"status IN ({STATUSES})", name="ck_appointments_status"),
        CheckConstraint("ends_at > starts_at AND ends_at - starts_at <= interval '24 hours'", name="ck_appointments_period"),
        CheckConstraint("status <> 'in_treatment' OR cabinet_id IS NOT NULL", name="ck_appointments_treated_in_a_cabinet"),
        ExcludeConstraint(
            ("clinic_id", "="), ("professional_id", "="), (PERIOD, "&&"), where=text(OCCUPIES), using="gist", name=PROFESSIONAL_OVERLAP
        ),
        ExcludeConstraint(
            ("clinic_id", "="), ("cabinet_id", "="), (PERIOD, "&&"), where=text(OCCUPIES), using="gist", name=CABINET_OVERLAP
        ),
        Index("ix_appointments_calendar", "clinic_id", "starts_at", "id"),
        Index("ix_appointments_patient", "clinic_id", "patient_id", "starts_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(
        UUID(as_uuid=True), primary_key=True, default=uuid.uuid4, server_default=text("gen_random_uuid()")
    )
    clinic_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True), ForeignKey("clinics.id", name="fk_appointments_clinic"))
    patient_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True))
    professional_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True), ForeignKey("users.id", name="fk_appointments_professional"))
    cabinet_id: Mapped[uuid.UUID | None] = mapped_column(UUID(as_uuid=True))
    starts_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ends_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    status: Mapped[str] = mapped_column(String(20), default="scheduled", server_default="scheduled")
    reason: Mapped[str] = mapped_column(String(200), default="", server_default="")
    notes: Mapped[str] = mapped_column(Text, default="", server_default="")
    version: Mapped[int] = mapped_column(Integer, nullable=False, server_default="1")
    created_by: Mapped[uuid.UUID | None] = mapped_column(UUID(as_uuid=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), onupdate=func.now())

    __mapper_args__ = {"eager_defaults": True, "version_id_col": version}  # noqa: RUF012 (SQLAlchemy's own idiom)


class AppointmentStatusEvent(Base):
    """One line per status an appointment came into; `from_status` is empty for the booking itself."""

    __tablename__ = "appointment_status_events"
    __table_args__ = (
        ForeignKeyConstraint(
            ["clinic_id", "appointment_id"], ["appointments.clinic_id", "appointments.id"], name="fk_appointment_status_events_appointment"
        ),
        Index("ix_appointment_status_events_appointment", "clinic_id", "appointment_id", "changed_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(
        UUID(as_uuid=True), primary_key=True, default=uuid.uuid4, server_default=text("gen_random_uuid()")
    )
    clinic_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True))
    appointment_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True))
    from_status: Mapped[str | None] = mapped_column(String(20))
    to_status: Mapped[str] = mapped_column(String(20))
    note: Mapped[str] = mapped_column(String(500), default="", server_default="")
    changed_by: Mapped[uuid.UUID | None] = mapped_column(UUID(as_uuid=True))
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class AppointmentCabinetEvent(Base):
    """One line per change of cabinet; either side may be empty."""

    __tablename__ = "appointment_cabinet_events"
    __table_args__ = (
        ForeignKeyConstraint(
            ["clinic_id", "appointment_id"], ["appointments.clinic_id", "appointments.id"], name="fk_appointment_cabinet_events_appointment"
        ),
        Index("ix_appointment_cabinet_events_appointment", "clinic_id", "appointment_id", "changed_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(
        UUID(as_uuid=True), primary_key=True, default=uuid.uuid4, server_default=text("gen_random_uuid()")
    )
    clinic_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True))
    appointment_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True))
    from_cabinet_id: Mapped[uuid.UUID | None] = mapped_column(UUID(as_uuid=True))
    to_cabinet_id: Mapped[uuid.UUID | None] = mapped_column(UUID(as_uuid=True))
    changed_by: Mapped[uuid.UUID | None] = mapped_column(UUID(as_uuid=True))
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
