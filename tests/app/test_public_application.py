"""A module written for the public application runs here as it is: its imports, its handlers, its jobs, its ways of publishing."""

import importlib
import logging
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from fastapi import APIRouter, Depends
from pydantic import BaseModel
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncSession

from app import database as boundary
from app.core import clock
from app.core.auth.dependencies import ClinicContext, get_clinic_context, require_permission
from app.core.events import EventType, event_bus
from app.core.events.dispatcher import Dispatcher
from app.core.isolation import apply_policies
from app.core.jobs.runner import JobRunner
from app.core.plugins import (
    BaseModule,
    DoctorReport,
    Manifest,
    ManifestError,
    ModuleCategory,
    ModuleContext,
    ModuleOperationError,
    ModuleService,
    ModuleState,
    module_registry,
    register_discovered,
)
from app.core.plugins.registry import MountedModule
from app.core.schemas import ApiResponse
from app.database import Database, get_db, unit_of_work
from app.main import create_app
from tests.support.app import CHEAP, SECRET, ClinicApp, no_seeds
from tests.support.core import as_owner
from tests.support.postgres import TenantDatabase

IMPORTS = [
    *(
        ("app.core.plugins", name)
        for name in (
            "BaseModule", "DoctorReport", "Manifest", "ManifestError", "ModuleCategory", "ModuleContext", "ModuleInfo",
            "ModuleOperationError", "ModuleService", "ModuleState", "mount_modules", "module_registry", "register_discovered",
        )
    ),
    ("app.core.plugins.base", "BaseModule"),
    ("app.core.plugins.base", "ModuleContext"),
    ("app.core.plugins.manifest", "Manifest"),
    ("app.core.plugins.manifest", "ManifestError"),
    ("app.core.plugins.loader", "CircularDependencyError"),
    ("app.core.plugins.loader", "MissingDependencyError"),
    ("app.core.plugins.loader", "TopologyError"),
    ("app.core.plugins.loader", "discover_modules"),
    ("app.core.plugins.registry", "module_registry"),
    ("app.core.events", "EventBus"),
    ("app.core.events", "event_bus"),
    ("app.core.events", "EventType"),
    ("app.core.events.bus", "event_bus"),
    ("app.core.events.types", "EventType"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "name"), IMPORTS)
def test_an_import_of_the_public_application_works(module, name):
    assert hasattr(importlib.import_module(module), name)


class Letter(BaseModel):
    patient_id: UUID


heard: list[Any] = []


async def on_patient_created(data: dict, *, db: AsyncSession) -> None:
    await db.execute(text("INSERT INTO letters (clinic_id, what) VALUES (:clinic, 'welcome')"), {"clinic": data["clinic_id"]})


async def on_letter_written(data: dict) -> None:
    heard.append(data["patient_id"])


async def on_patient_updated(data: dict) -> None:
    heard.append("updated")


async def count_letters() -> None:
    heard.append("counted")


class Job:
    """The public application's own dataclass has these fields."""

    id, name, func, trigger, trigger_args, max_instances = "letters.count", "Count", count_letters, "interval", {"minutes": 10}, 1

    def __init__(self) -> None:
        self.func = count_letters


router = APIRouter()


@router.post("/letters", status_code=201)
async def write(
    letter: Letter,
    ctx: ClinicContext = Depends(get_clinic_context),
    _: None = Depends(require_permission("letters.letters.write")),
    db: AsyncSession = Depends(get_db),
) -> ApiResponse[dict]:
    await db.execute(text("INSERT INTO letters (clinic_id, what) VALUES (:clinic, 'written')"), {"clinic": ctx.clinic_id})
    payload = {"clinic_id": str(ctx.clinic_id), "patient_id": str(letter.patient_id)}
    await event_bus.publish("letters.written", payload, db=db)
    event_bus.publish(EventType.PATIENT_CREATED, payload)
    return ApiResponse(data={"written": True})


class LettersModule(BaseModule):
    manifest: ClassVar = {
        "name": "letters",
        "version": "0.1.0",
        "category": "community",
        "depends": [],
        "removable": True,
        "role_permissions": {"admin": ["*"], "receptionist": ["letters.read"]},
    }

    def get_models(self) -> list:
        return []

    def get_router(self) -> APIRouter:
        return router

    def get_permissions(self) -> list[str]:
        return ["letters.read", "letters.write"]

    def get_event_handlers(self) -> dict:
        return {EventType.PATIENT_CREATED: on_patient_created, "letters.written": on_letter_written}

    def get_scheduled_jobs(self) -> list:
        return [Job()]

    def on_activate(self) -> None:
        heard.append("activated")
        event_bus.subscribe(EventType.PATIENT_UPDATED, on_patient_updated)

    async def install(self, ctx: ModuleContext) -> None:
        ctx.logger.info("installing %s", ctx.module_name)
        await ctx.event_bus.publish("letters.installed", {}, db=ctx.db)


def _letters(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE letters (id bigint GENERATED ALWAYS AS IDENTITY, clinic_id uuid NOT NULL, what text NOT NULL)"))
    apply_policies(connection, ["letters"])


@pytest.fixture
async def runtime(core_schema: TenantDatabase):
    """The public application's module in force, as in a serving process."""
    from app.config import Settings

    as_owner(core_schema, _letters)
    database = Database(core_schema.app_url)
    boundary.install(database)
    heard.clear()
    before = module_registry.mounted
    module_registry.clear()
    module_registry.mount(MountedModule(LettersModule(), Manifest.from_dict(LettersModule.manifest)))
    app = create_app(Settings(secret_key=SECRET), module_registry, database=database, passwords=CHEAP, seed_clinic=no_seeds)
    yield ClinicApp(app, core_schema, database)
    event_bus.clear()
    module_registry.clear()
    for module in before:
        module_registry.mount(module)
    boundary.install(None)
    await database.dispose()


async def test_its_routes_events_and_handlers_work_together(runtime):
    clinic, patient = await runtime.add_clinic(), uuid4()
    await runtime.add_user(admin=clinic)
    dispatcher = Dispatcher(runtime.database, module_registry)

    async with await runtime.signed_in() as client:
        answer = await client.post("/api/v1/letters/letters", json={"patient_id": str(patient)})
    await dispatcher.drain()

    assert answer.status_code == 201, answer.text
    assert heard == ["activated", str(patient)]
    assert await runtime.sql("SELECT string_agg(what, ' ' ORDER BY id) FROM letters") == "written welcome"


async def test_what_it_subscribed_when_it_was_activated_is_delivered(runtime):
    clinic = await runtime.add_clinic()
    dispatcher = Dispatcher(runtime.database, module_registry)

    async with unit_of_work(clinic):
        event_bus.publish("patient.updated", {"clinic_id": clinic, "patient_id": clinic})
    await dispatcher.drain()

    assert heard == ["activated", "updated"]


async def test_its_jobs_run(runtime, monkeypatch):
    await runtime.add_clinic()
    runner = JobRunner(runtime.database, module_registry)
    await runner.sync()
    later = clock.now() + timedelta(minutes=11)
    monkeypatch.setattr(clock, "now", lambda: later)

    assert await runner.run_due() == 1
    assert heard == ["activated", "counted"]


async def test_its_install_hook_publishes_with_the_context_it_knows(runtime):
    async with unit_of_work() as session:
        context = ModuleContext("letters", "0.1.0", session, logging.getLogger("app.modules.letters"), None)
        await LettersModule().install(context)

    assert await runtime.sql("SELECT name FROM core_event") == "letters.installed"


async def test_it_can_look_at_the_modules_and_is_told_where_to_change_them(runtime):
    await runtime.sql("INSERT INTO core_module (name, version, state) VALUES ('gone', '1.0.0', 'installed')")
    async with unit_of_work() as session:
        modules = ModuleService(session)
        states = {view.name: view.state for view in await modules.list_modules()}
        status, report = await modules.status(), await modules.doctor()
        with pytest.raises(ModuleOperationError, match="dentalpin modules uninstall agenda"):
            await modules.uninstall("agenda", force=True)

    assert states["gone"] is ModuleState.INSTALLED
    assert status["by_state"]["installed"] == 1
    assert isinstance(report, DoctorReport)
    assert report.orphans == ("gone",)
    assert not report.ok
    assert "patients" in register_discovered()


def test_its_manifest_is_read_and_a_wrong_one_is_a_manifest_error():
    assert LettersModule().get_manifest().to_snapshot()["name"] == "letters"
    assert LettersModule().dependencies == []
    assert {category.value for category in ModuleCategory} == {"official", "community"}
    with pytest.raises(ManifestError, match="cannot be used"):
        Manifest.from_dict({"name": "letters"})
    with pytest.raises(ValueError, match="category"):
        Manifest.from_dict({**LettersModule.manifest, "category": "mine"})
