"""The fixtures: the ones the guide names (`db_session`, `client`, `auth_headers`) and what they stand on.

The database is made once per set of modules by the real processor and copied for each test; requests go through the whole application as
the request role, so that row-level security, the commit before the answer and the outbox take part. `module_names` says which modules the
runtime has; override it where a test lives.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from .clinics import CLINICS, SECRET, TwoClinics, fill_clinics, with_dependencies
from .clock import TestClock
from .jobs import Jobs
from .operations import ModuleOperations
from .outbox import Outbox
from .server import Server, TenantDatabase, database_from, given_server, make_template, own_server
from .tools import Tools

# The application is imported by the fixtures that need it: this file is loaded for every run of pytest.
if TYPE_CHECKING:
    import httpx2
    from fastapi import FastAPI
    from sqlalchemy.ext.asyncio import AsyncSession

    from app.database import Database


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run that all its workers see."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "postgres"


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of this run: the one of `DATABASE_URL`, else one of its own."""
    import asyncpg

    from dentalpin_kit.postgres import PostgresError

    folder, url = shared_folder(tmp_path_factory), os.environ.get("DATABASE_URL")
    with ExitStack() as stack:
        try:
            server = stack.enter_context(given_server(url, folder) if url else own_server(folder))
        except PostgresError as error:
            pytest.fail(str(error), pytrace=False)
        except (OSError, asyncpg.PostgresError) as error:
            advice = "Give it a role with CREATEROLE and CREATEDB on a server that runs, or unset it to have a server started."
            pytest.fail(f"DATABASE_URL cannot be used ({error}). {advice}", pytrace=False)
        yield server


@pytest.fixture
def module_names(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The modules of the runtime under test, what they depend on comes along: those the project's pyproject.toml has entry points for."""
    project = request.config.rootpath / "pyproject.toml"
    described = tomllib.loads(project.read_text(encoding="utf-8")) if project.exists() else {}
    found = tuple(described.get("project", {}).get("entry-points", {}).get("dentalpin.modules", {}))
    assert found, f"{project} has no entry point in the group dentalpin.modules; add it, or override the fixture module_names"
    return found


@pytest.fixture
def two_clinics() -> TwoClinics:
    """Two clinics of one tenant, `.a` and `.b`, with five people each; nobody works in both."""
    return CLINICS


@pytest.fixture
def auth_headers(two_clinics: TwoClinics) -> dict[str, str]:
    """A Bearer token for a registered user: the administrator of the first clinic."""
    return two_clinics.a.headers


@pytest.fixture
def clock() -> Iterator[TestClock]:
    """`app.core.clock` stands still until it is told to move."""
    from app.core import clock

    stopped = TestClock()
    before = clock.replace(stopped)
    yield stopped
    clock.replace(before)


@pytest.fixture
def clinic_database(postgres_server: Server, module_names: tuple[str, ...], tmp_path: Path) -> Iterator[TenantDatabase]:
    """A database of this test's own in which the modules are installed and two clinics work."""
    name = hashlib.sha256(" ".join(sorted(module_names)).encode()).hexdigest()[:16]
    template = make_template(postgres_server, f"modules_{name}", lambda tenant: fill_clinics(tenant, module_names, tmp_path))
    with database_from(postgres_server, template) as tenant:
        yield tenant


@pytest_asyncio.fixture
async def runtime_database(clinic_database: TenantDatabase) -> AsyncIterator[Database]:
    """The engine of the request role, installed as the one of this process."""
    from app import database

    engine = database.Database(clinic_database.app_url)
    database.install(engine)
    yield engine
    database.install(None)
    await engine.dispose()


@pytest.fixture
def mounted(module_names: tuple[str, ...]) -> Iterator[None]:
    """The modules in force in this process for the time of the test. What production only warns of in events is an error."""
    from app.core.events import event_bus
    from app.core.plugins.registry import module_registry
    from app.core.runtime.mount import mount

    names = with_dependencies(module_names)
    mount(names, module_registry)
    assert [module.name for module in module_registry.active] == list(names), "see the log for what cannot be mounted"
    strict, event_bus.strict = event_bus.strict, True
    yield
    event_bus.strict = strict
    module_registry.clear()


@pytest_asyncio.fixture
async def runtime(clinic_database: TenantDatabase, runtime_database: Database, mounted: None, tmp_path: Path) -> AsyncIterator[FastAPI]:
    """The application as a serving process has it."""
    from pydantic import SecretStr

    from app.config import Settings
    from app.core.plugins.registry import module_registry
    from app.main import create_app

    settings = Settings(database_url=SecretStr(clinic_database.app_url), secret_key=SecretStr(SECRET), storage=tmp_path)
    app = create_app(settings, module_registry, database=runtime_database)
    async with app.router.lifespan_context(app):
        yield app


@pytest_asyncio.fixture
async def client(runtime: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """HTTP against the application, in this process."""
    import httpx2

    transport = httpx2.ASGITransport(app=runtime)
    async with httpx2.AsyncClient(transport=transport, base_url="http://clinic.test") as client:
        yield client


@pytest_asyncio.fixture
async def db_session(runtime_database: Database, mounted: None, two_clinics: TwoClinics) -> AsyncIterator[AsyncSession]:
    """A session of the request role in the first clinic; whatever the test does in it is rolled back."""
    async with runtime_database.unit(two_clinics.a.id) as unit:
        yield unit.session


@pytest_asyncio.fixture
async def outbox(clinic_database: TenantDatabase, runtime_database: Database, mounted: None, two_clinics: TwoClinics) -> Outbox:
    """What was published, and its delivery on demand."""
    from app.core.events.dispatcher import Dispatcher
    from app.core.plugins.registry import module_registry

    return Outbox(Dispatcher(runtime_database, module_registry), runtime_database, two_clinics.a, clinic_database.owner_url)


@pytest.fixture
def published(outbox: Outbox) -> Callable[[str], Awaitable[list[dict[str, Any]]]]:
    """`await published(name)`: the payloads of the events of that name, in order."""
    return outbox.payloads


@pytest_asyncio.fixture
async def jobs(clock: TestClock, clinic_database: TenantDatabase, runtime_database: Database, mounted: None) -> Jobs:
    """Scheduled jobs on demand: `clock.advance(days=1)`, then `await jobs.run_due()`; `.runs()` lists what ran."""
    from app.core.jobs.runner import JobRunner
    from app.core.plugins.registry import module_registry

    runner = JobRunner(runtime_database, module_registry)
    await runner.sync()
    return Jobs(runner, clinic_database.owner_url)


@pytest.fixture
def tools(runtime_database: Database, mounted: None, two_clinics: TwoClinics) -> Tools:
    """Tools as an assistant calls them: `await tools.call("patients.search_patients", {"query": "Ana"}, role="dentist")`."""
    from app.core.agents.tools.registry import ToolRegistry
    from app.core.plugins.registry import module_registry

    return Tools(ToolRegistry(module_registry, runtime_database), two_clinics.a)


@pytest.fixture
def operations(clinic_database: TenantDatabase, tmp_path: Path) -> ModuleOperations:
    """Installing and removing modules in this test's database."""
    return ModuleOperations(clinic_database, tmp_path)
