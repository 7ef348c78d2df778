"""Scheduled jobs run, for each clinic by itself."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from app.testing.clinics import TwoClinics
from app.testing.clock import TestClock
from app.testing.jobs import Jobs

from .subject import Subject


async def test_scheduled_jobs_run_in_every_clinic(
    subject: Subject, populated: object, jobs: Jobs, clock: TestClock, two_clinics: TwoClinics
) -> None:
    from app.core.jobs.scheduled import jobs_of

    wanted: Counter[tuple[str, UUID | None]] = Counter()
    for job in jobs_of(subject.name, subject.module.get_scheduled_jobs()):
        wanted.update((job.id, clinic) for clinic in ((two_clinics.a.id, two_clinics.b.id) if job.per_clinic else (None,)))

    clock.advance(days=400)
    await jobs.run_due()

    done = Counter((job, clinic) for job, clinic, status in await jobs.runs() if status == "done")
    # What the module depends on may have jobs of its own.
    assert wanted - done == Counter()
