"""The books of the jobs: one row per job and clinic, and one per run."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Identity, Integer, String, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base

_MOMENT = DateTime(timezone=True)


class RunStatus(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"
    """Its process died; nothing it wrote in its transaction was kept, and it was run again."""


class ScheduledJobRow(Base):
    __tablename__ = "core_job"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    module_name: Mapped[str] = mapped_column(String(80))
    job_id: Mapped[str] = mapped_column(String(120))
    clinic_id: Mapped[UUID | None]
    name: Mapped[str] = mapped_column(String(200))
    trigger: Mapped[str] = mapped_column(String(400))
    definition: Mapped[str] = mapped_column(String(64))
    next_run_at: Mapped[datetime | None] = mapped_column(_MOMENT)
    last_run_at: Mapped[datetime | None] = mapped_column(_MOMENT)
    failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    paused: Mapped[bool] = mapped_column(server_default=text("false"))
    requested_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(_MOMENT, server_default=func.now())


class JobRun(Base):
    __tablename__ = "core_job_run"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    job: Mapped[int] = mapped_column(BigInteger)
    module_name: Mapped[str] = mapped_column(String(80))
    job_id: Mapped[str] = mapped_column(String(120))
    clinic_id: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(String(20), server_default=RunStatus.RUNNING)
    attempt: Mapped[int] = mapped_column(Integer)
    scheduled_for: Mapped[datetime] = mapped_column(_MOMENT)
    started_at: Mapped[datetime] = mapped_column(_MOMENT, server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(_MOMENT)
    requested_by: Mapped[UUID | None]
    process: Mapped[str] = mapped_column(String(80))
    error: Mapped[str | None] = mapped_column(Text)
