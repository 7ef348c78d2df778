"""The control plane for tests: its own database from a template, a clock that stands still, a runtime environment that is a script."""

import json
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.datastructures import State

from app.testing.clock import TestClock
from control_plane.access.service import create_key
from control_plane.config import Settings
from control_plane.main import create_app, read_release, serve
from control_plane.migrations import migrate
from control_plane.platform import Platform
from tests.support.deployer import FakeDeployer
from tests.support.postgres import ADMIN, Postgres, TenantDatabase, database_from, in_fresh_loop, make_template

BUSINESS = {"country": "ES", "owner_email": "owner@clinic.example"}


def module(version: str = "1.0.0", *depends: str, **facts: Any) -> dict[str, Any]:
    return {
        "version": version,
        "depends": list(depends),
        "category": "official",
        "removable": True,
        "installable": True,
        "heads": [],
        **facts,
    }


MODULES: dict[str, dict[str, Any]] = {
    "patients": module(),
    "agenda": module("1.0.0", "patients"),
    "inventory": module("0.1.0", "patients", "agenda", category="community"),
    "billing": module("1.0.0", "patients"),
    "verifactu": module("1.0.0", "billing", fulfils=["es-verifactu"]),
    "ledger": module("1.0.0", removable=False),
    "ledger_reports": module("1.0.0", "ledger"),
    "future": module(min_core_version="9.0.0"),
    "draft": module(installable=False),
    "on_draft": module("1.0.0", "draft"),
    "orphaned": module("1.0.0", "vanished"),
    "ring_a": module("1.0.0", "ring_b"),
    "ring_b": module("1.0.0", "ring_a"),
}


class RuntimeEnvironment:
    """An environment whose `bin/dentalpin release describe` prints what it is told, as a distribution installed by pip would change it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._program = folder / "bin" / "dentalpin"
        self._program.parent.mkdir(parents=True)
        self.describe(MODULES)

    def describe(self, modules: dict[str, dict[str, Any]], *, core_version: str = "1.0.0", unusable: dict[str, str] | None = None) -> None:
        description = {"schema": 1, "core_version": core_version, "modules": modules, "unusable": unusable or {}, "schemas": {}}
        self.print(json.dumps(description, sort_keys=True, separators=(",", ":")))

    def print(self, output: str, *, status: int = 0) -> None:
        self._program.write_text(f"#!/bin/sh\nprintf %s {shlex.quote(output)}\nexit {status}\n")
        self._program.chmod(0o755)


@pytest.fixture(scope="session")
def platform_template(postgres: Postgres) -> str:
    def fill(database: TenantDatabase) -> None:
        in_fresh_loop(lambda: migrate(postgres.url(ADMIN, database.name)))

    return make_template(postgres, "template_platform", fill, owner=ADMIN)


@pytest.fixture
def migrated_database(postgres: Postgres, platform_template: str) -> Iterator[TenantDatabase]:
    """The platform's own database with all tables; `.owner_url` is its URL."""
    with database_from(postgres, platform_template, owner=ADMIN) as database:
        url = postgres.url(ADMIN, database.name)
        yield replace(database, owner_url=url, app_url=url)


@pytest.fixture
def deployer(tmp_path: Path) -> FakeDeployer:
    return FakeDeployer(tmp_path / "deployed")


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def runtime_environment(tmp_path: Path) -> RuntimeEnvironment:
    return RuntimeEnvironment(tmp_path / "runtime-env")


@pytest.fixture
def platform_settings(
    migrated_database: TenantDatabase, postgres: Postgres, tmp_path: Path, runtime_environment: RuntimeEnvironment
) -> Settings:
    return Settings(
        database_url=migrated_database.owner_url,
        tenant_database_admin_url=postgres.admin_url,
        data=tmp_path / "data",
        runtime_env=runtime_environment.folder,
        pg_bindir=postgres.bindir,
        public_url="http://platform.example",
        today=None,
    )


@pytest.fixture
async def platform(platform_settings: Settings, clock: TestClock, deployer: FakeDeployer) -> AsyncIterator[Platform]:
    built = Platform.build(platform_settings, clock=clock, deployer=deployer)
    await read_release(built)
    yield built
    await built.close()


_idle: list[FastAPI] = []


@contextmanager
def application(platform: Platform) -> Iterator[FastAPI]:
    """An application that serves `platform`. Those that ended are used again: working out all routes takes more than a second."""
    app = _idle.pop() if _idle else create_app(platform)
    app.state = State()
    serve(app, platform)
    yield app
    app.dependency_overrides.clear()
    _idle.append(app)


@asynccontextmanager
async def api_of(platform: Platform) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the platform's API with an operator's key; the application runs in this process."""
    async with platform.database.transaction() as session:
        _, key = await create_key(session, "tests", at=platform.clock.now())
    with application(platform) as app:
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
            async with httpx2.AsyncClient(
                transport=transport, base_url="http://platform", headers={"Authorization": f"Bearer {key}"}
            ) as client:
                yield client


@pytest.fixture
async def client(platform: Platform) -> AsyncIterator[httpx2.AsyncClient]:
    async with api_of(platform) as client:
        yield client


async def naming(platform: Platform, *words: str) -> set[str]:
    """Tables of the platform that hold one of these words."""
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    holds = 'SELECT EXISTS (SELECT FROM "{}" t WHERE lower(t::text) LIKE ANY (:words))'
    values = {"words": [f"%{word.lower()}%" for word in words]}
    async with platform.database.transaction() as session:
        found = list(await session.scalars(text(tables)))
        return {table for table in found if await session.scalar(text(holds.format(table)), values)}
