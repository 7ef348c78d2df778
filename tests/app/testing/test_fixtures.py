"""What the fixtures promise beyond the modules' own tests: a failure nobody would see is a failure of the test."""

from typing import ClassVar
from uuid import uuid4

import pytest

from app.core import clock as core_clock
from app.core.jobs import ScheduledJob
from app.core.plugins.base import BaseModule
from app.core.plugins.manifest import Manifest
from app.core.plugins.registry import MountedModule, module_registry
from app.testing.jobs import JobFailed
from app.testing.outbox import HandlerFailed


class Clumsy(BaseModule):
    """A handler and a job that fail."""

    manifest: ClassVar = {"name": "clumsy", "version": "1.0.0"}

    def get_event_handlers(self):
        return {"patient.created": fail_with}

    def get_scheduled_jobs(self):
        return [ScheduledJob(id="stumble", func=stumble, trigger="interval", trigger_args={"hours": 1})]


async def fail_with(data: dict) -> None:
    raise KeyError(data["patient_id"])


async def stumble() -> None:
    raise KeyError("stumble")


@pytest.fixture
def module_names():
    return ("patients",)


@pytest.fixture
def clumsy(mounted):
    module_registry.mount(MountedModule(Clumsy(), Manifest.model_validate(Clumsy.manifest)))


async def test_a_handler_that_fails_fails_the_delivery_and_quotes_nothing(outbox, clumsy):
    patient = str(uuid4())
    await outbox.publish("patient.created", {"patient_id": patient})

    with pytest.raises(HandlerFailed, match=r"fail_with of clumsy, told patient\.created: KeyError") as failed:
        await outbox.deliver()

    assert patient not in str(failed.value)


async def test_a_failure_that_is_expected_is_left_to_the_test(outbox, clumsy):
    await outbox.publish("patient.created", {"patient_id": str(uuid4())})

    await outbox.deliver(failures=True)

    assert await outbox.names() == ["patient.created"]
    assert await outbox.deliveries() == [("patient.created", "clumsy", "pending")]


async def test_an_event_of_nobody_is_an_error(outbox):
    from app.core.events.errors import EventNameUnknown

    with pytest.raises(EventNameUnknown):
        await outbox.publish("patient.creatd", {})


async def test_a_job_that_fails_fails_the_run(clumsy, jobs, clock, two_clinics):
    clock.advance(hours=2)

    with pytest.raises(JobFailed, match="stumble of clumsy: KeyError"):
        await jobs.run_due()

    failed = {(job, clinic, status) for job, clinic, status in await jobs.runs()}
    assert failed == {("stumble", two_clinics.a.id, "failed"), ("stumble", two_clinics.b.id, "failed")}


async def test_no_job_is_due_while_the_clock_stands_still(clumsy, jobs):
    assert await jobs.run_due() == 0


def test_the_core_tells_the_time_of_the_clock_and_of_the_clinics_zone(clock):
    clock.move_to("2026-12-24")
    clock.advance(hours=11, minutes=30)

    assert core_clock.now() == clock.now()
    assert (core_clock.today().isoformat(), core_clock.today("Europe/Madrid").isoformat()) == ("2026-12-24", "2026-12-25")


async def test_what_a_test_does_in_its_session_is_rolled_back(db_session, operations, two_clinics):
    from app.modules.patients.schemas import PatientCreate
    from app.modules.patients.service import PatientService

    await PatientService.create_patient(db_session, two_clinics.a.id, PatientCreate(first_name="Ana"))

    assert await operations.fetch("SELECT 1 FROM patients") == []
