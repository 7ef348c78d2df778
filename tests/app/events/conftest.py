"""Two modules that publish and listen, and a table for what their handlers do."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import Connection, text

from app.core.events import event_bus
from app.core.events.dispatcher import Dispatcher
from app.core.isolation import apply_policies
from app.core.plugins.base import BaseModule
from app.core.plugins.manifest import Manifest
from app.core.plugins.registry import ModuleRegistry, MountedModule, module_registry
from app.database import Database, unit_of_work
from tests.support.core import as_owner
from tests.support.postgres import TenantDatabase


def mounted(name: str, handlers: dict[str, Any]) -> MountedModule:
    class Module(BaseModule):
        manifest: ClassVar = {"name": name, "version": "1.0.0"}

        def get_event_handlers(self):
            return handlers

    return MountedModule(Module(), Manifest.model_validate(Module.manifest))


@dataclass
class Clinic:
    """One tenant's database with the dispatcher under test. Handlers write into `effects`, isolated by clinic like any module's table."""

    tenant: TenantDatabase
    database: Database
    id: UUID
    other: UUID
    registry: ModuleRegistry = module_registry
    dispatchers: list[Dispatcher] = field(default_factory=list)

    def install(self, module: str, handlers: dict[str, Any]) -> None:
        self.registry.mount(mounted(module, handlers))

    @property
    def dispatcher(self) -> Dispatcher:
        return Dispatcher(self.database, self.registry)

    async def publish(self, name: str, clinic_id: UUID | None = None, **payload: Any) -> None:
        clinic = clinic_id or self.id
        async with unit_of_work(clinic, database=self.database):
            event_bus.publish(name, {"clinic_id": str(clinic), **payload})

    async def complete(self, appointment: UUID | None = None, **changes: Any) -> None:
        await self.publish("appointment.completed", appointment_id=str(appointment or uuid4()), **changes)

    async def rows(self, query: str, *arguments: Any) -> list[tuple]:
        connection = await asyncpg.connect(self.tenant.owner_url)
        try:
            return [tuple(row) for row in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()

    async def effects(self) -> list[str]:
        return [row[0] for row in await self.rows("SELECT what FROM effects ORDER BY id")]

    async def deliveries(self) -> list[tuple[str, str, int]]:
        return await self.rows("SELECT module_name, status, attempts FROM core_event_delivery ORDER BY id")

    async def let_back_off_end(self) -> None:
        await self.rows("UPDATE core_event_delivery SET next_attempt_at = now() WHERE status = 'pending'")


def _effects(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE effects (id bigint GENERATED ALWAYS AS IDENTITY, clinic_id uuid NOT NULL, what text NOT NULL)"))
    apply_policies(connection, ["effects"])


async def effect(db, data: dict, what: str) -> None:
    """What a module's handler does: a row for the clinic of the payload."""
    await db.execute(text("INSERT INTO effects (clinic_id, what) VALUES (:clinic, :what)"), {"clinic": data["clinic_id"], "what": what})


@pytest.fixture
async def clinic(core_schema: TenantDatabase) -> AsyncIterator[Clinic]:
    as_owner(core_schema, _effects)
    database = Database(core_schema.app_url)
    before = module_registry.active
    module_registry.clear()
    yield Clinic(core_schema, database, uuid4(), uuid4())
    module_registry.clear()
    for module in before:
        module_registry.mount(module)
    await database.dispose()
