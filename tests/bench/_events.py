"""From publishing an event to its handler's commit, against two bare transactions that write a row each."""

import time
from pathlib import Path
from typing import Any, ClassVar

import asyncpg

from app.testing.server import Server, TenantDatabase

EVENTS = 300


async def measure(database: TenantDatabase, server: Server) -> dict[str, float]:
    from app.core.events.bus import EventBus
    from app.core.events.dispatcher import Dispatcher
    from app.core.plugins.base import BaseModule
    from app.core.plugins.manifest import Manifest
    from app.core.plugins.processor import Processor
    from app.core.plugins.registry import ModuleRegistry, MountedModule
    from app.database import Database, unit_of_work

    class BenchModule(BaseModule):
        manifest: ClassVar = {"name": "bench", "version": "1.0.0", "summary": "Counts", "category": "community"}

        def get_event_handlers(self) -> dict[str, Any]:
            return {"bench.happened": _count}

    await Processor(database.owner_url, Path("/nonexistent"), registry=ModuleRegistry()).migrate_core()
    sql = await asyncpg.connect(database.owner_url)
    await sql.execute("CREATE TABLE bench_counted (number int)")
    await sql.execute(f"GRANT ALL ON bench_counted TO {server.app}")
    registry = ModuleRegistry([MountedModule(BenchModule(), Manifest.model_validate(BenchModule.manifest))])
    serving = Database(database.app_url)
    bus = EventBus(registry)
    dispatcher = Dispatcher(serving, registry, bus=bus)
    try:
        begun = time.perf_counter()
        for number in range(EVENTS):
            async with unit_of_work(database=serving):
                bus.publish("bench.happened", {"number": number})
            await dispatcher.drain()
        ours = time.perf_counter() - begun
        counted = await sql.fetchval("SELECT count(*) FROM bench_counted")
        assert counted == EVENTS, f"{counted} of {EVENTS} events were delivered"
        begun = time.perf_counter()
        for number in range(EVENTS):
            for _ in range(2):
                async with sql.transaction():
                    await sql.execute("INSERT INTO bench_counted VALUES ($1)", number)
        bare = time.perf_counter() - begun
    finally:
        await serving.dispose()
        await sql.close()
    return {"milliseconds": ours / EVENTS * 1000, "ratio": ours / bare}


async def _count(db: Any, data: dict[str, Any]) -> None:
    from sqlalchemy import text

    await db.execute(text("INSERT INTO bench_counted VALUES (:number)"), {"number": data["number"]})
