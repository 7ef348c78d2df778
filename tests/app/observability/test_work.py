"""What deliveries and jobs leave in log, metrics and traces: which module, event, job and clinic, and nothing of what they carried."""

import json
import logging

from app.core.jobs import ScheduledJob
from app.core.observability.metrics import INSTRUMENTS
from app.core.observability.readings import readings
from tests.app.events.conftest import clinic as clinic
from tests.app.jobs.conftest import clinics as clinics

PLANTED = "Xochitl"
LOGGER = "app.modules.inventory.handlers"


async def fail(db, data):
    logging.getLogger(LOGGER).info("handling")
    raise ValueError(f"{data['reason']} is allergic to penicillin")


async def succeed(db, data):
    logging.getLogger("app.core.something").info("on its way")


async def remind(db, clinic_id):
    logging.getLogger("app.core.something").info("reminding")
    raise KeyError(PLANTED)


def numbers(found):
    return {(reading.name, *labels): value for reading in found for labels, value in reading.rows}


async def test_a_delivery_says_what_it_is_about(clinic, logged, spans):
    clinic.install("inventory", {"appointment.completed": succeed})
    await clinic.complete()
    await clinic.dispatcher.drain()

    line = next(line for line in logged() if line["message"] == "on its way")
    assert (line["module"], line["clinic"], line["event"]) == ("inventory", str(clinic.id), "appointment.completed")
    (span,) = spans()
    assert span["name"] == "event"
    assert span["attributes"] == {
        "dentalpin.module": "inventory",
        "dentalpin.clinic": str(clinic.id),
        "dentalpin.event": "appointment.completed",
    }
    counted = 'dentalpin_event_deliveries_total{event="appointment.completed",module="inventory",outcome="done"} 1.0'
    assert counted in INSTRUMENTS.render().decode()


async def test_a_failed_delivery_tells_nothing_of_the_patient(clinic, logged, spans):
    clinic.install("inventory", {"appointment.completed": fail})
    await clinic.complete(reason=PLANTED)
    await clinic.dispatcher.deliver_one()

    lines, traces, text = logged(), spans(), INSTRUMENTS.render().decode()
    assert "handling" in [line["message"] for line in lines]
    assert traces[0]["attributes"]["error.type"] == "ValueError"
    assert 'outcome="failed"} 1.0' in text
    assert PLANTED not in json.dumps([lines, traces]) + text


async def test_what_waits_and_what_was_given_up_is_read_from_the_outbox(clinic):
    clinic.install("inventory", {"appointment.completed": succeed})
    for _ in range(3):
        await clinic.complete()
    await clinic.rows("UPDATE core_event_delivery SET status = 'dead' WHERE id = (SELECT min(id) FROM core_event_delivery)")

    found = numbers(await readings(clinic.database))

    assert found["dentalpin_event_deliveries_waiting", "inventory"] == 2
    assert found["dentalpin_event_deliveries_dead", "inventory"] == 1
    assert found["dentalpin_event_oldest_due_seconds",] > 0


async def test_a_database_that_is_away_is_said_and_the_rest_is_left_out(clinic):
    await clinic.database.dispose()
    gone = type(clinic.database)(clinic.tenant.app_url.replace(clinic.tenant.name, "t_gone"))

    found = numbers(await readings(gone))

    assert found == {("dentalpin_database_up",): 0.0}


async def test_a_job_says_what_it_is_about_and_nothing_of_what_it_met(clinics, logged, spans):
    clinics.install(ScheduledJob("remind", remind, "interval", trigger_args={"hours": 1}))
    runner = clinics.runner
    await runner.sync()
    clinics.clock.pass_(hours=2)
    await runner.run_due()

    lines, traces, text = logged(), spans(), INSTRUMENTS.render().decode()
    line = next(line for line in lines if line["message"] == "reminding")
    assert (line["module"], line["job"]) == ("recalls", "remind")
    assert {line["clinic"], *(each["attributes"]["dentalpin.clinic"] for each in traces)} <= {str(clinics.a), str(clinics.b)}
    assert {each["name"] for each in traces} == {"job"}
    assert 'dentalpin_job_runs_total{job="remind",module="recalls",outcome="failed"} 2.0' in text
    assert numbers(await readings(clinics.database))["dentalpin_jobs_failing", "recalls"] == 2
    assert PLANTED not in json.dumps([lines, traces]) + text
