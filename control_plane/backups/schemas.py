"""Backups as the API takes and shows them."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from control_plane.backups.models import Backup, BackupCheck, BackupSchedule
from control_plane.backups.service import LONGEST_COPY
from control_plane.backups.states import BackupCause, BackupState
from control_plane.databases.contents import Contents
from control_plane.operations.schemas import OperationOut
from control_plane.tenants.schemas import TenantSummary


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CopyRequest(Request):
    slug: Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)] | None = None
    """Absent: the clinic's with `-copy`."""
    days: Annotated[int, Field(ge=1, le=LONGEST_COPY.days)] = 14
    """After so many days the copy is deleted by itself."""


class ScheduleRequest(Request):
    every_hours: int
    """1, 2, 3, 4, 6, 8, 12 or 24."""


class ScheduleOut(BaseModel):
    every_hours: int
    next: datetime

    @classmethod
    def of(cls, row: BackupSchedule) -> "ScheduleOut":
        return cls(every_hours=row.every_hours, next=row.due_at)


class BackupOut(BaseModel):
    id: UUID
    state: BackupState
    cause: BackupCause
    reason: str | None
    """Why it failed, or why it was deleted."""
    revision: int
    release: str
    modules: list[str]
    """What the clinic had chosen."""
    requested_at: datetime
    taken_at: datetime | None
    finished_at: datetime | None
    bytes: int | None
    """Of the dump and the files, before they were encrypted."""
    tables: int | None
    rows: int | None
    migrations: list[str] | None
    keep_until: date | None
    keep_because: str | None
    deleted_at: datetime | None
    checked_at: datetime | None
    check_passed: bool | None
    """Whether it could be restored and held what it was made of; null where it was not tried yet."""
    operation: UUID

    @classmethod
    def of(cls, row: Backup) -> "BackupOut":
        contents = Contents.from_json(row.contents) if row.contents is not None else None
        return cls(
            id=row.id,
            state=row.state,
            cause=row.cause,
            reason=row.reason,
            revision=row.generation,
            release=row.release_id,
            modules=row.chosen,
            requested_at=row.requested_at,
            taken_at=row.taken_at,
            finished_at=row.finished_at,
            bytes=row.database_bytes + (row.files_bytes or 0) if row.database_bytes is not None else None,
            tables=len(contents.tables) if contents else None,
            rows=contents.rows if contents else None,
            migrations=list(contents.heads) if contents else None,
            keep_until=row.keep_until,
            keep_because=row.keep_because,
            deleted_at=row.deleted_at,
            checked_at=row.checked_at,
            check_passed=row.check_passed,
            operation=row.operation_id,
        )


class BackupList(BaseModel):
    items: list[BackupOut]
    next: str | None
    """Pass as `after` for the following page; null on the last."""


class CopyOut(BaseModel):
    tenant: TenantSummary
    of: str
    taken_at: datetime
    until: date
    operation: OperationOut


class CheckOut(BaseModel):
    """One backup that was restored, compared with what it was made of, and dropped again."""

    backup: UUID
    tenant: str
    at: datetime
    passed: bool
    reason: str | None
    tables: int
    rows: int
    seconds: float

    @classmethod
    def of(cls, row: BackupCheck, slug: str) -> "CheckOut":
        return cls(
            backup=row.backup_id,
            tenant=slug,
            at=row.at,
            passed=row.passed,
            reason=row.reason,
            tables=row.tables,
            rows=row.rows,
            seconds=row.seconds,
        )


class CheckList(BaseModel):
    items: list[CheckOut]
    next: str | None
