"""What a module author implements: one class per module, named by the entry point (seeds, guide §3).

Kept light on purpose: importing it pulls in neither FastAPI nor SQLAlchemy, so that the manifest of a package can be read cheaply.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

if TYPE_CHECKING:
    from fastapi import APIRouter
    from sqlalchemy.ext.asyncio import AsyncSession

    from app.core.demos import DemoClinic
    from app.core.events import EventBus
    from app.core.occupancy import Period

    from .manifest import Manifest


@dataclass(frozen=True, slots=True)
class ModuleContext:
    """What a lifecycle hook is given.

    `db` takes part in the processor's transaction by a savepoint: whatever the hook does happens together with the migration and the
    seeds, or not at all, and a commit inside the hook releases its savepoint only. Hooks run as the database's owner; they do no network
    I/O and open no second session.
    """

    module_name: str
    version: str
    db: "AsyncSession"
    logger: logging.Logger = field(repr=False)
    storage: Path
    """The runtime's storage folder, for files that belong to the module."""

    @property
    def event_bus(self) -> "EventBus":
        """The bus of this process; what a hook publishes is part of the operation's transaction."""
        from app.core.events import event_bus

        return event_bus


class BaseModule:
    """The base of every module. Only `manifest` must be given; each `get_…` describes what the module adds."""

    manifest: ClassVar[Mapping[str, Any]] = {}

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def version(self) -> str:
        return str(self.manifest["version"])

    @property
    def dependencies(self) -> list[str]:
        """The modules this one needs."""
        return list(self.manifest.get("depends", ()))

    def get_manifest(self) -> "Manifest":
        """The manifest as the core reads it. Raises ManifestError."""
        from .manifest import Manifest

        return Manifest.from_dict(self.manifest)

    def get_models(self) -> list[type[Any]]:
        """The mapped classes of the module's own tables."""
        return []

    def get_router(self) -> "APIRouter | None":
        """Routes, mounted under `/api/v1/<name>`."""
        return None

    def get_permissions(self) -> list[str]:
        """Local permission names (`action` or `resource.action`); the registry puts the module's name in front."""
        return []

    def get_event_handlers(self) -> Mapping[str, Callable[..., Any]]:
        """Handlers by event name. They run after the publisher's commit, each in a transaction of its own.

        Written as `async def handler(db, data)`; `(data)` and `(data, *, db)` are understood too. A handler marked `@transactional`
        runs inside the publisher's transaction instead.
        """
        return {}

    def get_events(self) -> Mapping[str, type[Any] | None]:
        """The events the module publishes under its own name, each with the Pydantic model of its payload, or None.

        Optional. Once given, a name that is not in it is a mistake, and payloads are checked against their models.
        """
        return {}

    def get_scheduled_jobs(self) -> list[Any]:
        """Work that comes round by itself: `app.core.jobs.ScheduledJob`s."""
        return []

    async def get_busy_periods(self, db: "AsyncSession", clinic_id: UUID, within: "Period") -> "list[Period]":
        """When the clinic at hand must not be disturbed within this time, as far as this module knows: a patient is there, or is due.

        The platform asks before it restarts a clinic for its own reasons. Reads only.
        """
        return []

    def on_activate(self) -> None:
        """Called at each start once the module is mounted, after its routes and handlers. Quick, not async, without a database."""

    def get_tools(self) -> list[Any]:
        """Callable actions for AI agents."""
        return []

    def get_agents(self) -> list[type[Any]]:
        """Agent classes the module ships."""
        return []

    async def install(self, ctx: ModuleContext) -> None:
        """Provision beyond migrations and seeds. Running it twice must change nothing."""

    async def fill_demo(self, ctx: ModuleContext, clinic: "DemoClinic") -> None:
        """Write invented records into a demonstration clinic. Called once, after `install`, in its transaction; never in another clinic.

        What is written must be recognisable as invented: no national ids, addresses of mail and telephone numbers that reach nobody.
        """

    async def uninstall(self, ctx: ModuleContext) -> None:
        """Take back what `install` did outside the module's own tables."""

    async def post_upgrade(self, ctx: ModuleContext, from_version: str) -> None:
        """Bring data along after the migrations of an upgrade from `from_version`."""
