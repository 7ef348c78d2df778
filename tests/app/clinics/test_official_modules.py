"""The official modules as a runtime serves them: installed by the processor, asked as the request role."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from app import database as boundary
from app.config import Settings
from app.core.clinics.service import seed_installed_modules
from app.core.isolation import CORE_EXEMPT
from app.core.plugins.processor import Processor
from app.core.plugins.registry import ModuleRegistry
from app.core.runtime.mount import mount
from app.main import create_app
from tests.support.app import CHEAP, SECRET, ClinicApp
from tests.support.postgres import database_from, in_fresh_loop, make_template

OFFICIAL = ("patients", "agenda")


def install(database):
    async def boot():
        report = await Processor(database.owner_url, Path("/nonexistent"), registry=ModuleRegistry(), bindir=database.bindir).run()
        assert report.ok, report

    in_fresh_loop(boot)


@pytest.fixture
async def app(postgres):
    """A stand-alone runtime with the modules a fresh database gets; Ana administers one clinic."""
    template = make_template(postgres, "template_official_modules", install)
    registry = ModuleRegistry()
    mount(OFFICIAL, registry)
    with database_from(postgres, template) as schema:
        database = boundary.Database(schema.app_url)
        boundary.install(database)
        made = create_app(
            Settings(secret_key=SecretStr(SECRET)), registry, database=database, passwords=CHEAP, seed_clinic=seed_installed_modules
        )
        app = ClinicApp(made, schema, database)
        await app.add_user(admin=await app.add_clinic("Sol"))
        yield app
        boundary.install(None)
        await database.dispose()


@pytest.fixture
async def client(app):
    async with await app.signed_in() as client:
        yield client


async def test_a_new_clinic_gets_the_seeds_of_each_module(client):
    luna = (await client.post("/api/v1/clinics", json={"name": "Luna"})).json()["data"]["id"]
    cabinets = await client.get("/api/v1/agenda/cabinets", headers={"X-Clinic-Id": luna})
    assert [cabinet["name"] for cabinet in cabinets.json()["data"]] == ["1"]


async def test_patients_of_one_clinic_are_not_those_of_another(app, client):
    sol = await app.sql("SELECT id::text FROM clinics")
    luna = (await client.post("/api/v1/clinics", json={"name": "Luna"})).json()["data"]["id"]
    made = await client.post("/api/v1/patients", json={"first_name": "Eva", "last_name": "Ruiz"}, headers={"X-Clinic-Id": sol})
    assert made.status_code == 201, made.text
    patient = made.json()["data"]["id"]
    assert (await client.get("/api/v1/patients", headers={"X-Clinic-Id": sol})).json()["total"] == 1
    assert (await client.get("/api/v1/patients", headers={"X-Clinic-Id": luna})).json()["total"] == 0
    assert (await client.get(f"/api/v1/patients/{patient}", headers={"X-Clinic-Id": luna})).status_code == 404


async def test_every_table_with_a_clinic_is_isolated(app):
    open_tables = await app.sql(
        """
        SELECT array_agg(c.relname) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'clinic_id'
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND NOT c.relrowsecurity
        """
    )
    assert open_tables is None


async def test_every_table_of_the_core_has_a_rule(app):
    core = await app.sql(
        """
        SELECT array_agg(relname ORDER BY relname) FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname NOT IN (SELECT table_name FROM core_table_owner)
        """
    )
    assert core == sorted(CORE_EXEMPT)
