"""What row-level security costs a request: the same list of patients with it, and without policies and without naming the clinic."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx2

from app.testing.server import Server, TenantDatabase

CLINICS, PATIENTS, ALTERNATIONS, REQUESTS, WARM_UP = 2, 200, 10, 60, 20
PASSWORD = "correct horse battery staple"
_TABLES = """
    SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
"""


async def measure(database: TenantDatabase, server: Server) -> dict[str, float]:
    from app import database as boundary
    from app.database import Database

    sql = await asyncpg.connect(database.owner_url)
    await _install_patients(database)
    serving = Database(database.app_url)
    boundary.install(serving)
    try:
        client = await _signed_in(sql, serving)
        times, work = await _alternate(sql, client)
        await client.aclose()
    finally:
        boundary.install(None)
        await serving.dispose()
        await sql.close()
    middle = {arm: statistics.median(found) for arm, found in times.items()}
    return {
        "ratio": middle["with"] / middle["without"],
        "work_ratio": work["with"] / work["without"],
        "milliseconds": middle["with"] * 1000,
    }


async def _install_patients(database: TenantDatabase) -> None:
    from app.core.plugins.loader import Discovery, discover_modules
    from app.core.plugins.processor import Processor
    from app.core.plugins.registry import ModuleRegistry

    discovery = Discovery({"patients": discover_modules().modules["patients"]})

    async def boot() -> None:
        report = await Processor(database.owner_url, Path("/nonexistent"), discovery=discovery, registry=ModuleRegistry()).run()
        assert report.ok, report

    await boot()
    sql = await asyncpg.connect(database.owner_url)
    await sql.execute("UPDATE core_module SET state = 'to_install' WHERE name = 'patients' AND state = 'uninstalled'")
    await sql.close()
    await boot()


async def _signed_in(sql: asyncpg.Connection, serving: Any) -> httpx2.AsyncClient:
    """A client of the first of several clinics, all with patients."""
    from pydantic import SecretStr

    from app.config import Settings
    from app.core.auth.passwords import Passwords
    from app.core.plugins.loader import discover_modules
    from app.core.plugins.registry import ModuleRegistry, MountedModule
    from app.main import create_app

    found = discover_modules().modules["patients"]
    passwords = Passwords(memory_kib=8, rounds=1, lanes=1)
    settings = Settings(secret_key=SecretStr("only for benchmarks, and long enough to be accepted"))
    app = create_app(settings, ModuleRegistry([MountedModule(found.module, found.manifest)]), database=serving, passwords=passwords)
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app, client=("192.0.2.7", 40000)), base_url="http://clinic.test")
    user = await sql.fetchval(
        "INSERT INTO users (email, password_hash) VALUES ('ana@example.com', $1) RETURNING id", await passwords.hash(PASSWORD)
    )
    clinics = [await _clinic(sql, user, number) for number in range(CLINICS)]
    answer = await client.post("/api/v1/auth/login", json={"email": "ana@example.com", "password": PASSWORD})
    client.headers["Authorization"] = f"Bearer {answer.json()['data']['access_token']}"
    for clinic in clinics:
        for number in range(PATIENTS):
            person = {"first_name": f"Ana {number}", "last_name": f"García {number % 40}", "email": f"ana{number}@example.com"}
            created = await client.post("/api/v1/patients", json=person, headers={"X-Clinic-Id": str(clinic)})
            assert created.status_code == 201, created.text
    await sql.execute("ANALYZE")
    client.headers["X-Clinic-Id"] = str(clinics[0])
    return client


async def _clinic(sql: asyncpg.Connection, user: UUID, number: int) -> UUID:
    clinic: UUID = await sql.fetchval(
        "INSERT INTO clinics (name, country, timezone, currency, locale) VALUES ($1, 'ES', 'Europe/Madrid', 'EUR', 'es-ES') RETURNING id",
        f"Clinic {number}",
    )
    await sql.execute("INSERT INTO memberships (user_id, clinic_id, role) VALUES ($1, $2, 'admin')", user, clinic)
    return clinic


async def _alternate(sql: asyncpg.Connection, client: httpx2.AsyncClient) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds of each request, and processor time of each arm; the arms take turns, so that what else the machine does falls on both."""
    tables = [row[0] for row in await sql.fetch(_TABLES)]
    times: dict[str, list[float]] = {"with": [], "without": []}
    work = {"with": 0.0, "without": 0.0}
    for turn in range(ALTERNATIONS):
        arm = "with" if turn % 2 == 0 else "without"
        for table in tables:
            await sql.execute(f"ALTER TABLE {table} {'ENABLE' if arm == 'with' else 'DISABLE'} ROW LEVEL SECURITY")
        with _clinic_named(arm == "with"):
            for number in range(WARM_UP + REQUESTS):
                if number == WARM_UP:
                    work[arm] -= await _processor_seconds(sql)
                begun = time.perf_counter()
                answer = await client.get("/api/v1/patients?page_size=20")
                seconds = time.perf_counter() - begun
                assert answer.json()["total"] == PATIENTS, answer.text
                if number >= WARM_UP:
                    times[arm].append(seconds)
            work[arm] += await _processor_seconds(sql)
    return times, work


async def _processor_seconds(sql: asyncpg.Connection) -> float:
    """Processor time of this process and of the server processes that work for requests: unlike seconds, the same on a busy machine."""
    serving = await sql.fetch("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'dentalpin'")
    server = sum(int(Path(f"/proc/{row['pid']}/schedstat").read_text().split()[0]) for row in serving)
    return time.process_time() + server / 1e9


@contextmanager
def _clinic_named(named: bool) -> Iterator[None]:
    """Whether requests tell the database their clinic: that round trip is part of what row-level security costs."""
    from app.core.auth import dependencies

    original = dependencies.set_clinic

    async def unnamed(session: Any, clinic_id: UUID | None) -> None:
        pass

    dependencies.set_clinic = original if named else unnamed
    try:
        yield
    finally:
        dependencies.set_clinic = original
