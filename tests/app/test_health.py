import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient

from app import database as boundary
from app.core import health
from app.core.runtime import process
from app.core.runtime.gate import Gate
from app.core.runtime.locks import ServingLocks
from app.core.runtime.process import ServingProcess
from tests.support.postgres import run_sql


@pytest.fixture
async def serving(core_schema):
    """A process that serves `patients`, the only installed module."""
    run_sql(core_schema.owner_url, "INSERT INTO core_module (name, state) VALUES ('patients', 'installed')")
    database = boundary.Database(core_schema.app_url)
    boundary.install(database)
    app = FastAPI()
    app.include_router(health.router)

    @app.get("/api/v1/patients")
    async def patients():
        return []

    locks = ServingLocks(core_schema.app_url)
    state = await locks.take()
    serving = ServingProcess(locks, Gate(app), state.mountable, None, None, on_restart=lambda reason: None)
    process.install(serving)
    yield serving
    process.install(None)
    boundary.install(None)
    await locks.release()
    await database.dispose()


async def ask(serving, path="/health/ready"):
    async with AsyncClient(transport=ASGITransport(app=serving.gate), base_url="http://clinic.test") as client:
        return await client.get(path)


async def test_a_process_that_serves_what_is_installed_is_ready(serving):
    answer = await ask(serving)

    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "checks": {"locks": True, "database": True, "modules": True}}


async def test_an_installed_module_that_is_not_mounted_is_not_ready(serving, core_schema):
    run_sql(core_schema.owner_url, "INSERT INTO core_module (name, state) VALUES ('agenda', 'installed')")

    answer = await ask(serving)

    assert answer.status_code == 503
    assert answer.json()["checks"] == {"locks": True, "database": True, "modules": False}


async def test_a_process_without_its_locks_is_not_ready_but_alive(serving):
    await serving.locks.release()

    assert (await ask(serving)).json()["checks"]["locks"] is False
    assert (await ask(serving, "/health/live")).status_code == 200


async def test_a_closed_gate_answers_503_to_all_but_health(serving):
    serving.gate.open = False

    refused = await ask(serving, "/api/v1/patients")

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["errors"] == [{"code": "database_unavailable"}]
    assert (await ask(serving)).json()["checks"]["locks"] is False


async def test_a_database_that_does_not_answer_is_not_ready(serving, postgres, core_schema):
    run_sql(
        postgres.superuser_url,
        f"ALTER DATABASE {core_schema.name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{core_schema.name}'",
    )

    answer = await ask(serving)

    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] is False
