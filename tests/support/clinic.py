"""Two clinics of one tenant with modules installed: what a module's tests run against (module guide §9).

The database is made once per set of modules by the real processor and copied for each test; requests go through the whole application as
the request role, so that row-level security, the commit before the answer and the outbox take part. `module_names` says which modules the
runtime has; override it where a test lives.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import asyncpg
import pytest

from tests.support.postgres import Postgres, TenantDatabase, database_from, in_fresh_loop, make_template

# The application is imported by the fixtures that need it: this file is loaded for every test of the suite.
if TYPE_CHECKING:
    import httpx2
    from fastapi import FastAPI
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

    from app.core.events.dispatcher import Dispatcher
    from app.core.plugins.processor import Processor
    from app.database import Database

SECRET = "only-for-tests, only-for-tests, only-for-tests"
ROLES = ("admin", "dentist", "hygienist", "assistant", "receptionist")
_NAMESPACE = UUID("7b0b1f0e-5a3c-4e58-9d6c-0a2f6f1c7d11")


@dataclass(frozen=True, slots=True)
class ClinicUnderTest:
    """A clinic and one member of its staff per role, all signed in."""

    name: str
    id: UUID
    people: Mapping[str, UUID]
    """The id of the person in each role; nobody works in both clinics."""

    def headers_of(self, role: str) -> dict[str, str]:
        """A Bearer token for the person in this role."""
        from app.core.auth.tokens import AccessTokens, Claims

        claims = Claims(self.people[role], _session_of(self.people[role]), None)
        return {"Authorization": f"Bearer {AccessTokens(SECRET).issue(claims, 'access')}"}

    @property
    def headers(self) -> dict[str, str]:
        """Those of the clinic's administrator."""
        return self.headers_of("admin")


@dataclass(frozen=True, slots=True)
class TwoClinics:
    a: ClinicUnderTest
    b: ClinicUnderTest


def _clinic(name: str) -> ClinicUnderTest:
    people = {role: uuid5(_NAMESPACE, f"{name} {role}") for role in ROLES}
    return ClinicUnderTest(name, uuid5(_NAMESPACE, name), MappingProxyType(people))


def _session_of(user_id: UUID) -> UUID:
    return uuid5(_NAMESPACE, f"session of {user_id}")


CLINICS = TwoClinics(_clinic("a"), _clinic("b"))


async def add_clinic_with_staff(connection: asyncpg.Connection, clinic: ClinicUnderTest) -> None:
    await connection.execute(
        "INSERT INTO clinics (id, name, country, timezone, currency, locale) VALUES ($1, $2, 'ES', 'Europe/Madrid', 'EUR', 'es-ES')",
        clinic.id,
        f"Clinic {clinic.name}",
    )
    for role, user_id in clinic.people.items():
        await connection.execute(
            "INSERT INTO users (id, email, full_name) VALUES ($1, $2, $3)",
            user_id,
            f"{role}@{clinic.name}.example",
            f"{role} {clinic.name}",
        )
        await connection.execute("INSERT INTO memberships (user_id, clinic_id, role) VALUES ($1, $2, $3)", user_id, clinic.id, role)
        await connection.execute(
            "INSERT INTO refresh_tokens (user_id, family_id, token_hash, expires_at) VALUES ($1, $2, $3, now() + interval '1 day')",
            user_id,
            _session_of(user_id),
            sha256(user_id.bytes).hexdigest(),
        )


def with_dependencies(names: tuple[str, ...]) -> tuple[str, ...]:
    """These modules and everything they depend on, dependencies first."""
    from app.core.plugins.loader import discover_modules
    from app.core.plugins.topology import ordered

    discovery = discover_modules()
    depends: dict[str, tuple[str, ...]] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        found = discovery.get(name)
        assert found is not None, f"no installed distribution offers the module {name}"
        if name not in depends:
            depends[name] = tuple(found.manifest.depends)
            waiting += depends[name]
    return tuple(ordered(depends))


async def ask_for(connection: asyncpg.Connection, names: tuple[str, ...]) -> None:
    """Schedule the installation of these modules and what they depend on, as `dentalpin modules install` does."""
    await connection.executemany(
        "INSERT INTO core_module (name, state) VALUES ($1, 'to_install') ON CONFLICT (name) DO UPDATE SET state = 'to_install'",
        [(name,) for name in with_dependencies(names)],
    )


def processor_for(tenant: TenantDatabase, storage: Path) -> Processor:
    """The real processor, with a registry of its own: what it mounts for hooks stays out of this process's."""
    from app.core.plugins.processor import Processor
    from app.core.plugins.registry import ModuleRegistry

    return Processor(tenant.owner_url, storage, registry=ModuleRegistry(), bindir=tenant.bindir)


async def process(tenant: TenantDatabase, storage: Path) -> None:
    """One run of the pending processor; everything must come out as asked."""
    report = await processor_for(tenant, storage).run(removals=True)
    assert report.ok, report


def fill_clinics(tenant: TenantDatabase, names: tuple[str, ...], storage: Path) -> None:
    """Core, two clinics, and the modules installed by the processor, with the seeds of both clinics."""

    async def fill() -> None:
        await processor_for(tenant, storage).migrate_core()
        connection = await asyncpg.connect(tenant.owner_url)
        try:
            for clinic in (CLINICS.a, CLINICS.b):
                await add_clinic_with_staff(connection, clinic)
            await ask_for(connection, names)
        finally:
            await connection.close()
        await process(tenant, storage)

    in_fresh_loop(fill)


@pytest.fixture
def module_names() -> tuple[str, ...]:
    """The modules of the runtime under test; what they depend on comes along."""
    return ("patients", "agenda")


@pytest.fixture
def two_clinics() -> TwoClinics:
    return CLINICS


@pytest.fixture
def auth_headers(two_clinics: TwoClinics) -> dict[str, str]:
    """A Bearer token for a registered user: the administrator of the first clinic."""
    return two_clinics.a.headers


@pytest.fixture
def clinic_database(postgres: Postgres, module_names: tuple[str, ...], tmp_path: Path) -> Iterator[TenantDatabase]:
    """A database of this test's own in which the modules are installed and two clinics work."""
    template = f"template_{'_'.join(sorted(module_names))}"[:60]
    make_template(postgres, template, lambda tenant: fill_clinics(tenant, module_names, tmp_path))
    with database_from(postgres, template) as tenant:
        yield tenant


@pytest.fixture
async def runtime_database(clinic_database: TenantDatabase) -> AsyncIterator[Database]:
    """The engine of the request role, installed as the one of this process."""
    from app import database

    engine = database.Database(clinic_database.app_url)
    database.install(engine)
    yield engine
    database.install(None)
    await engine.dispose()


@pytest.fixture
async def mounted(module_names: tuple[str, ...]) -> AsyncIterator[None]:
    """The modules in force in this process for the time of the test."""
    from app.core.events import event_bus
    from app.core.plugins.registry import module_registry
    from app.core.runtime.mount import mount

    names = with_dependencies(module_names)
    mount(names, module_registry)
    assert [module.name for module in module_registry.active] == list(names)
    strict, event_bus.strict = event_bus.strict, True
    yield
    event_bus.strict = strict
    module_registry.clear()


@pytest.fixture
async def runtime(clinic_database: TenantDatabase, runtime_database: Database, mounted: None, tmp_path: Path) -> AsyncIterator[FastAPI]:
    """The application as a serving process has it."""
    from app.config import Settings
    from app.core.plugins.registry import module_registry
    from app.main import create_app

    settings = Settings(database_url=clinic_database.app_url, secret_key=SECRET, storage=tmp_path)
    app = create_app(settings, module_registry, database=runtime_database)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def client(runtime: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """HTTP against the application, in this process."""
    import httpx2

    transport = httpx2.ASGITransport(app=runtime)
    async with httpx2.AsyncClient(transport=transport, base_url="http://clinic.test") as client:
        yield client


@pytest.fixture
async def db_session(runtime_database: Database, mounted: None, two_clinics: TwoClinics) -> AsyncIterator[AsyncSession]:
    """A session of the request role in the first clinic; whatever the test does in it is rolled back."""
    async with runtime_database.unit(two_clinics.a.id) as unit:
        yield unit.session


@dataclass(frozen=True, slots=True)
class Outbox:
    """What was published, and its delivery on demand: nothing is delivered behind a test's back."""

    dispatcher: Dispatcher
    owner_url: str

    async def deliver(self) -> None:
        """Deliver everything that is due, and what that leads to."""
        await self.dispatcher.drain()

    async def payloads(self, name: str) -> list[dict[str, Any]]:
        """The payloads of the events of this name, in the order they were published."""
        rows = await self._fetch("SELECT payload::text FROM core_event WHERE name = $1 ORDER BY id", str(name))
        return [json.loads(row["payload"]) for row in rows]

    async def deliveries(self) -> list[tuple[str, str, str]]:
        """(event, module, status) of every delivery."""
        query = "SELECT e.name, d.module_name, d.status FROM core_event_delivery d JOIN core_event e ON e.id = d.event_id ORDER BY d.id"
        return [tuple(row) for row in await self._fetch(query)]

    async def _fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.owner_url)
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()


@pytest.fixture
async def outbox(clinic_database: TenantDatabase, runtime_database: Database, mounted: None) -> Outbox:
    from app.core.events.dispatcher import Dispatcher
    from app.core.plugins.registry import module_registry

    return Outbox(Dispatcher(runtime_database, module_registry), clinic_database.owner_url)


@pytest.fixture
def published(outbox: Outbox) -> Callable[[str], Awaitable[list[dict[str, Any]]]]:
    """`await published(name)`: the payloads of the events of that name, in order."""
    return outbox.payloads


@dataclass(frozen=True, slots=True)
class ModuleOperations:
    """`dentalpin modules install|uninstall` and the restart that carries it out; nothing may serve the module meanwhile."""

    tenant: TenantDatabase
    storage: Path

    async def install(self, name: str) -> None:
        from app.core.plugins import service
        from app.core.plugins.loader import discover_modules
        from app.core.plugins.processor import core_version

        await self._schedule(lambda connection: service.install(connection, discover_modules(), name, core_version=core_version()))

    async def uninstall(self, name: str) -> None:
        from app.core.plugins import service
        from app.core.plugins.loader import discover_modules

        await self._schedule(lambda connection: service.uninstall(connection, discover_modules(), name))

    async def restart(self) -> None:
        """The processor runs at every start, mostly with nothing to do."""
        await process(self.tenant, self.storage)

    async def fetch(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Rows as the owner sees them."""
        connection = await asyncpg.connect(self.tenant.owner_url)
        try:
            return [tuple(row) for row in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()

    async def _schedule(self, ask: Callable[[AsyncConnection], Awaitable[object]]) -> None:
        from sqlalchemy.ext.asyncio import create_async_engine

        from app.database import sqlalchemy_url

        engine = create_async_engine(sqlalchemy_url(self.tenant.owner_url))
        try:
            async with engine.begin() as connection:
                await ask(connection)
        finally:
            await engine.dispose()
        await self.restart()


@pytest.fixture
def operations(clinic_database: TenantDatabase, tmp_path: Path) -> ModuleOperations:
    """Installing and uninstalling modules in this test's database."""
    return ModuleOperations(clinic_database, tmp_path)
