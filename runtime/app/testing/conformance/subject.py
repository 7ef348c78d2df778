"""The module under test, as the conformance tests see it: its package, its tables in the database, its routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import pytest_asyncio

from app.testing.clinics import ClinicUnderTest, TwoClinics, add_clinic_with_staff, ask_for, process, processor_for, with_dependencies
from app.testing.operations import ModuleOperations
from app.testing.outbox import Outbox
from app.testing.server import Server, TenantDatabase, database_from, in_fresh_loop, make_template

if TYPE_CHECKING:
    import httpx2

    from app.core.events.handlers import Subscription
    from app.core.plugins.base import BaseModule
    from app.core.plugins.loader import DiscoveredModule
    from app.core.plugins.manifest import Manifest
    from app.core.plugins.revisions import RevisionBook

_OWN = "SELECT table_name FROM core_table_owner WHERE module_name = $1 ORDER BY 1"
_WITH_CLINIC = """
    SELECT o.table_name FROM core_table_owner o
    JOIN information_schema.columns c ON c.table_name = o.table_name AND c.table_schema = 'public' AND c.column_name = 'clinic_id'
    WHERE o.module_name = $1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the module, as the test modules name it: `GET /items/{item_id}`."""

    method: str
    path: str
    permissions: frozenset[str]
    has_clinic: bool
    endpoint: Callable[..., Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(part.partition("}")[0].partition(":")[0] for part in self.path.split("{")[1:])

    @property
    def body(self) -> dict[str, Any] | None:
        """The smallest body: what is required is missing, and who may not call is refused before that is noticed."""
        return None if self.method in ("GET", "DELETE") else {}

    def url(self, module: str, value: object) -> str:
        """Its address with every parameter replaced by `value`."""
        parts = self.path.split("{")
        return f"/api/v1/{module}" + parts[0] + "".join(f"{value}{part.partition('}')[2]}" for part in parts[1:])


@dataclass(frozen=True)
class Subject:
    """What is tested, and what its test module says about it."""

    name: str
    shared_tables: frozenset[str]
    payloads: Mapping[str, Mapping[str, Any]]
    populate: Callable[[httpx2.AsyncClient, ClinicUnderTest], Awaitable[object]] | None

    @cached_property
    def found(self) -> DiscoveredModule:
        from app.core.plugins.loader import discover_modules

        found = discover_modules().get(self.name)
        assert found is not None, f"no installed distribution offers the module {self.name}; install it with `pip install -e .`"
        return found

    @property
    def module(self) -> BaseModule:
        return self.found.module

    @property
    def manifest(self) -> Manifest:
        return self.found.manifest

    @cached_property
    def book(self) -> RevisionBook:
        """The revisions of everything that is installed here."""
        from app.core.plugins.loader import discover_modules
        from app.core.plugins.revisions import read_book

        return read_book({found.name: found.versions_path for found in discover_modules() if found.versions_path is not None}, {})

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        from fastapi.routing import APIRoute

        router = self.module.get_router()
        return tuple(
            _route(route, method)
            for route in (router.routes if router is not None else ())
            if isinstance(route, APIRoute)
            for method in sorted((route.methods or set()) - {"HEAD", "OPTIONS"})
        )

    @property
    def guarded(self) -> tuple[Route, ...]:
        """The routes that are not public on purpose."""
        return tuple(route for route in self.routes if route.name not in self.manifest.public_routes)

    @cached_property
    def subscriptions(self) -> Mapping[str, tuple[Subscription, ...]]:
        """What `get_event_handlers()` says, by event. Raises HandlerSignature."""
        from app.core.events.handlers import subscriptions

        return subscriptions(self.name, self.module.get_event_handlers())

    async def tables(self, operations: ModuleOperations) -> list[str]:
        """Tables and views its migrations made."""
        return [name for (name,) in await operations.fetch(_OWN, self.name)]

    async def clinic_tables(self, operations: ModuleOperations) -> list[str]:
        """Those of them whose rows belong to a clinic."""
        return [name for (name,) in await operations.fetch(_WITH_CLINIC, self.name)]

    async def rows(self, operations: ModuleOperations) -> dict[str, list[str]]:
        """Every row of its own tables and its seed records, as text."""
        found = {table: await operations.fetch(f'SELECT t::text FROM "{table}" t ORDER BY 1') for table in await self.tables(operations)}
        query = "SELECT xml_id, table_name, clinic_id, record_id FROM core_external_id WHERE module_name = $1 ORDER BY 1, 3"
        seeds = await operations.fetch(query, self.name)
        return {table: [text for (text,) in rows] for table, rows in found.items()} | {"seeds": [str(seed) for seed in seeds]}

    async def rows_of_clinic(self, operations: ModuleOperations, clinic_id: UUID) -> dict[str, list[tuple[Any, ...]]]:
        """(row as text, id or None) of each of its tables, for one clinic."""
        found = {}
        for table in await self.clinic_tables(operations):
            query = f"SELECT t::text, to_jsonb(t) ->> 'id' FROM \"{table}\" t WHERE clinic_id = $1 ORDER BY 1"
            found[table] = await operations.fetch(query, clinic_id)
        return found


def _route(route: Any, method: str) -> Route:
    calls = list(_calls(route.dependant))
    asked = frozenset(str(call.permission) for call in calls if hasattr(call, "permission"))
    has_clinic = any(getattr(call, "__name__", "") == "get_clinic_context" for call in calls)
    return Route(method, route.path, asked, has_clinic, route.endpoint)


def _calls(dependant: Any) -> Iterator[Any]:
    for child in dependant.dependencies:
        yield child.call
        yield from _calls(child)


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Subject:
    """The module that `MODULE` of the test module names: its name, or its class."""
    said = request.module
    module = getattr(said, "MODULE", None)
    assert module, f"{said.__name__} must say which module it tests: MODULE = 'name'"
    return Subject(
        name=module if isinstance(module, str) else str(module.manifest["name"]),
        shared_tables=frozenset(getattr(said, "SHARED_TABLES", ())),
        payloads=getattr(said, "PAYLOADS", {}),
        populate=getattr(said, "populate", None),
    )


@pytest.fixture
def module_names(subject: Subject) -> tuple[str, ...]:
    """The runtime has the module and what it depends on, and nothing else."""
    return (subject.name,)


@pytest.fixture
def bare(postgres_server: Server, subject: Subject, two_clinics: TwoClinics, tmp_path: Path) -> Iterator[ModuleOperations]:
    """A database with two clinics and what the module depends on; the module itself was never installed."""
    needed = with_dependencies((subject.name,))[:-1]

    def fill(tenant: TenantDatabase) -> None:
        in_fresh_loop(lambda: _fill_bare(tenant, subject.name, needed, two_clinics, tmp_path))

    with database_from(postgres_server, make_template(postgres_server, f"bare_{subject.name}"[:50], fill)) as tenant:
        yield ModuleOperations(tenant, tmp_path)


async def _fill_bare(tenant: TenantDatabase, name: str, needed: tuple[str, ...], clinics: TwoClinics, storage: Path) -> None:
    import asyncpg

    await processor_for(tenant, storage).migrate_core()
    connection = await asyncpg.connect(tenant.owner_url)
    try:
        for clinic in (clinics.a, clinics.b):
            await add_clinic_with_staff(connection, clinic)
        # A database that knows a module already is no first start: nothing is installed by default.
        await connection.execute("INSERT INTO core_module (name, state) VALUES ($1, 'uninstalled')", name)
        if needed:
            await ask_for(connection, needed)
    finally:
        await connection.close()
    await process(tenant, storage)


@pytest_asyncio.fixture
async def populated(subject: Subject, client: httpx2.AsyncClient, two_clinics: TwoClinics, outbox: Outbox) -> httpx2.AsyncClient:
    """A client against the module, with the rows that `populate` of the test module made in both clinics."""
    if subject.populate is not None:
        for clinic in (two_clinics.a, two_clinics.b):
            await subject.populate(client, clinic)
        await outbox.deliver()
    return client
