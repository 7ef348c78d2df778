"""One table. Other modules refer to a patient by (clinic_id, id), so that the database itself refuses another clinic's patient."""

import uuid
from datetime import date, datetime

from sqlalchemy import CheckConstraint, Date, DateTime, ForeignKey, Index, Integer, String, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base


class Patient(Base):
    """A person treated by one clinic. Never deleted: archived."""

    __tablename__ = "patients"
    __table_args__ = (
        UniqueConstraint("clinic_id", "id", name="uq_patients_clinic_id_id"),
        CheckConstraint("status IN ('active', 'archived')", name="ck_patients_status"),
        CheckConstraint("(status = 'archived') = (archived_at IS NOT NULL)", name="ck_patients_archived_at"),
        Index("ix_patients_list", "clinic_id", "status", "sort_name", "id"),
        Index("ix_patients_name", "clinic_id", "sort_name", "id"),
        Index("ix_patients_document", "clinic_id", "document_key", postgresql_where=text("document_key IS NOT NULL")),
        Index("ix_patients_email", "clinic_id", "email", postgresql_where=text("email IS NOT NULL")),
        Index("ix_patients_phone", "clinic_id", "phone_digits", postgresql_where=text("phone_digits IS NOT NULL")),
        # Read by the function patients_matching() only: under row-level security a query of the request role cannot use it.
        Index("ix_patients_search", "search_text", postgresql_using="gin", postgresql_ops={"search_text": "gin_trgm_ops"}),
    )

    id: Mapped[uuid.UUID] = mapped_column(
        UUID(as_uuid=True), primary_key=True, default=uuid.uuid4, server_default=text("gen_random_uuid()")
    )
    clinic_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True), ForeignKey("clinics.id", name="fk_patients_clinic"), nullable=False)
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(150))
    birth_date: Mapped[date | None] = mapped_column(Date)
    national_id: Mapped[str | None] = mapped_column(String(40))
    email: Mapped[str | None] = mapped_column(String(254))
    phone: Mapped[str | None] = mapped_column(String(40))
    address: Mapped[dict] = mapped_column(JSONB, default=dict, server_default="{}")
    notes: Mapped[str] = mapped_column(Text, default="", server_default="")
    status: Mapped[str] = mapped_column(String(20), default="active", server_default="active")
    archived_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # Derived from the columns above by normalise.py, at every write.
    sort_name: Mapped[str] = mapped_column(Text)
    document_key: Mapped[str | None] = mapped_column(Text)
    phone_digits: Mapped[str | None] = mapped_column(Text)
    search_text: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer, nullable=False, server_default="1")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), onupdate=func.now())

    __mapper_args__ = {"eager_defaults": True, "version_id_col": version}  # noqa: RUF012 (SQLAlchemy's own idiom)

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()
