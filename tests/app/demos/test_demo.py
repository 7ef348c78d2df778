"""A demonstration: filled by its modules with invented records, marked on every page, and reaching nobody."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.config import Settings
from app.core.copies.copy import is_copy, sends_nothing
from app.core.demos.demo import Demo, DemoClinic
from app.core.plugins.processor import Processor
from app.core.plugins.registry import ModuleRegistry
from app.core.plugins.router import router as modules_router
from app.core.runtime import first_clinic
from app.core.runtime.adoption import adopt
from app.core.runtime.revision import RevisionDocument
from app.database import sqlalchemy_url
from app.modules.agenda.demo import times
from app.modules.patients.demo import HOW_MANY, person
from tests.support.app import SECRET, build
from tests.support.app import clinic_app as clinic_app
from tests.support.app import request_database as request_database
from tests.support.revisions import revision_document

DEMO = Demo(date(2026, 12, 5), "es")
PART = {"until": "2026-12-05", "language": "es"}


async def boot(schema, **changes):
    """As a runtime boots with a revision for the official modules; rows by SQL afterwards."""
    revision = RevisionDocument.of(revision_document("patients", "agenda", **changes))
    engine = create_async_engine(sqlalchemy_url(schema.owner_url), poolclass=NullPool)
    async with engine.begin() as connection:
        await adopt(connection, revision)
        await first_clinic.ensure(connection, revision)
    await engine.dispose()
    processor = Processor(
        schema.owner_url, Path("/nonexistent"), registry=ModuleRegistry(), bindir=schema.bindir, generation=revision.generation
    )
    report = await processor.run()
    assert report.ok, report


async def rows(schema, query):
    connection = await asyncpg.connect(schema.owner_url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_modules_fill_a_demonstration_once_with_people_nobody_is(core_schema):
    await boot(core_schema, demo=PART)
    await boot(core_schema, demo=PART)

    people = await rows(core_schema, "SELECT email, phone, national_id, notes FROM patients")
    assert len(people) == HOW_MANY
    assert {one[2] for one in people} == {None}
    assert all(one[0].endswith("@patient.example") and one[1].startswith("+1 202 555 01") for one in people)
    assert {one[3] for one in people} == {"Persona inventada para la demostración."}
    statuses = dict(await rows(core_schema, "SELECT status, count(*) FROM appointments GROUP BY status"))
    assert sum(statuses.values()) == 40
    assert {"completed", "no_show", "cancelled", "confirmed", "scheduled"} <= statuses.keys()
    steps = await rows(core_schema, "SELECT details FROM core_module_operation_log WHERE step = 'lifecycle' AND details ? 'demo'")
    assert len(steps) == 2


async def test_a_clinic_of_somebody_s_own_is_never_filled(core_schema):
    await boot(core_schema)
    assert await rows(core_schema, "SELECT count(*) FROM patients") == [(0,)]


@pytest.mark.parametrize("language", ["en", "es"])
def test_invented_people_differ_and_appointments_lie_on_both_sides_of_today(language):
    clinic = DemoClinic(uuid4(), uuid4(), language, "Europe/Madrid", datetime(2026, 11, 22, 23, 30, tzinfo=UTC))
    people = [person(clinic, number) for number in range(HOW_MANY)]
    assert len({(one.first_name, one.last_name) for one in people}) == HOW_MANY
    assert all(timedelta(days=7 * 365) <= clinic.today - one.birth_date <= timedelta(days=83 * 365) for one in people)
    booked = list(times(clinic))
    # In Madrid it is Monday already: five working days before it, and five from it on.
    assert (clinic.today, len(booked), booked[0].date(), booked[-1].date()) == (
        date(2026, 11, 23),
        40,
        date(2026, 11, 16),
        date(2026, 11, 27),
    )


async def test_every_page_and_the_api_say_that_it_is_one_also_on_paper(clinic_app, tmp_path):
    await clinic_app.add_user(admin=await clinic_app.add_clinic())
    settings = Settings(secret_key=SECRET, mail_folder=tmp_path / "mail")
    shown = build(clinic_app.schema, clinic_app.database, demo=DEMO, settings=settings, routers=(modules_router,))
    async with await shown.signed_in() as client:
        active = (await client.get("/api/v1/modules/-/active")).json()["data"]
        page = (await client.get("/login", headers={"Accept-Language": "es"})).text
        css = (await client.get("/-/pages.css")).text

    assert (active["demo_until"], active["copy_of"]) == ("2026-12-05", None)
    assert active["banner"].startswith("Demonstration: every patient is invented.")
    assert '<p class="notice bad" role="status">Demostración: los pacientes son inventados.' in page
    assert ".notice" not in css.partition("@media print")[2].partition("display: none")[0]
    assert not shown.app.state.mail.open


def test_a_demonstration_reaches_nobody_and_is_no_copy(tmp_path):
    file = tmp_path / "revision.json"
    variables = {"DENTALPIN_REVISION_FILE": str(file)}
    file.write_text(json.dumps(revision_document("patients", demo=PART)))
    assert (sends_nothing(variables), is_copy(variables)) == (True, False)
    assert Demo.in_document(json.loads(file.read_text())) == DEMO
    file.write_text(json.dumps(revision_document("patients")))
    assert not sends_nothing(variables)
