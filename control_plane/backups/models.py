"""Backups, when the next one is due, and what became of those that were restored to see whether they can be."""

from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Date, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.backups.states import MACHINE, BackupCause, BackupEvent, BackupState
from control_plane.database import Base, text_enum


class Backup(Base):
    """Objects are at `object_key`, encrypted with the tenant's key. The row stays when they are gone."""

    __tablename__ = "backup"
    __table_args__ = (
        Index("ix_backup_tenant_id_requested_at", "tenant_id", "requested_at", "id"),
        Index("ix_backup_unfinished", "state", postgresql_where=text("state IN ('making', 'deleting')")),
        Index("ix_backup_ready", "tenant_id", "taken_at", postgresql_where=text("state = 'ready'")),
        CheckConstraint("state <> 'ready' OR (taken_at IS NOT NULL AND contents IS NOT NULL)", name="ready_has_contents"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    operation_id: Mapped[UUID] = mapped_column(ForeignKey("operation.id"))
    cause: Mapped[BackupCause] = mapped_column(text_enum(BackupCause))
    state: Mapped[BackupState] = mapped_column(text_enum(BackupState), default=MACHINE.initial)
    reason: Mapped[str | None]
    """Why it failed, or why it was deleted."""
    generation: Mapped[int] = mapped_column(Integer)
    """Of the revision that was desired when it was asked for."""
    release_id: Mapped[str] = mapped_column(String(80))
    chosen: Mapped[list[str]]
    requested_at: Mapped[datetime]
    taken_at: Mapped[datetime | None]
    """The moment whose state it holds."""
    finished_at: Mapped[datetime | None]
    contents: Mapped[dict[str, Any] | None]
    """What it was made of (databases.contents): rows and hash per table, migrations."""
    database_bytes: Mapped[int | None] = mapped_column(BigInteger)
    database_sha256: Mapped[str | None] = mapped_column(String(64))
    files_bytes: Mapped[int | None] = mapped_column(BigInteger)
    files_sha256: Mapped[str | None] = mapped_column(String(64))
    """Of what was encrypted."""
    keep_until: Mapped[date | None] = mapped_column(Date)
    """Kept at least so long, whatever the scheme says."""
    keep_because: Mapped[str | None]
    deleted_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]
    """When it was last restored to see whether it can be."""
    check_passed: Mapped[bool | None] = mapped_column(Boolean)

    def move(self, on: BackupEvent, *, at: datetime, reason: str | None = None) -> None:
        self.state = MACHINE.target(self.state, on)
        self.reason = reason
        if on in (BackupEvent.MADE, BackupEvent.GIVEN_UP):
            self.finished_at = at
        if on in (BackupEvent.REMOVED, BackupEvent.GIVEN_UP):
            self.deleted_at = at

    @property
    def database_key(self) -> str:
        return object_key(self.tenant_id, self.id, "database")

    @property
    def files_key(self) -> str:
        return object_key(self.tenant_id, self.id, "files")


def object_key(tenant_id: UUID, backup_id: UUID, part: str) -> str:
    return f"backups/{tenant_id}/{backup_id}/{part}"


class BackupSchedule(Base):
    """When a tenant's next backup is due."""

    __tablename__ = "backup_schedule"
    __table_args__ = (
        Index("ix_backup_schedule_due_at", "due_at"),
        CheckConstraint("every_hours IN (1, 2, 3, 4, 6, 8, 12, 24)", name="divides_the_day"),
    )

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), primary_key=True)
    every_hours: Mapped[int] = mapped_column(Integer)
    due_at: Mapped[datetime]


class BackupCheck(Base):
    """One backup that was restored beside everything else, compared with what it was made of, and dropped again."""

    __tablename__ = "backup_check"
    __table_args__ = (Index("ix_backup_check_at", "at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    backup_id: Mapped[UUID] = mapped_column(ForeignKey("backup.id"))
    at: Mapped[datetime]
    passed: Mapped[bool] = mapped_column(Boolean)
    reason: Mapped[str | None]
    """What was different, or why it could not be restored."""
    tables: Mapped[int] = mapped_column(Integer)
    rows: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float]
