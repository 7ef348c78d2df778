"""What modules of the public application may import from `app.core.plugins` beside the guide's names.

They can look at the module system with these. Changing it is left to people: REST and `dentalpin modules` say beforehand what a change
does and ask whether somebody may; a module's own code is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from . import books, service
from .loader import Discovery, core_version, discover_modules
from .manifest_validator import Severity, validate_discovery
from .registry import ModuleRegistry, module_registry
from .service import ModuleView as ModuleInfo
from .states import HAS_SCHEMA

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["DoctorReport", "ModuleCategory", "ModuleInfo", "ModuleOperationError", "ModuleService", "mount_modules", "register_discovered"]


class ModuleCategory(StrEnum):
    OFFICIAL = "official"
    COMMUNITY = "community"


class ModuleOperationError(RuntimeError):
    """A change to the module set that is not possible, or not from here."""


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """What is wrong with the modules of this runtime, by kind. `dentalpin modules doctor` looks further."""

    orphans: tuple[str, ...]
    missing_dependencies: Mapping[str, tuple[str, ...]]
    manifest_errors: tuple[str, ...]
    errored_modules: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not (self.orphans or self.missing_dependencies or self.manifest_errors or self.errored_modules)


class ModuleService:
    """The modules of this runtime, for reading."""

    def __init__(self, db: AsyncConnection | AsyncSession) -> None:
        self._db = db

    async def list_modules(self) -> list[ModuleInfo]:
        return await service.overview(self._db, discover_modules())

    async def get_info(self, name: str) -> ModuleInfo:
        """Raises UnknownModule."""
        return await service.find(self._db, discover_modules(), name)

    async def status(self) -> dict[str, Any]:
        """How many modules are in which state, which are pending and which failed."""
        views = await self.list_modules()
        states = [view.state.value for view in views]
        return {
            "by_state": {state: states.count(state) for state in sorted(set(states))},
            "pending": [view.name for view in views if view.pending],
            "errored": [view.name for view in views if view.error],
            "total": len(views),
        }

    async def doctor(self) -> DoctorReport:
        discovery, views = discover_modules(), await self.list_modules()
        standing = {view.name for view in views if view.state in HAS_SCHEMA}
        lacking = {view.name: tuple(sorted({*view.depends} - standing)) for view in views if view.name in standing}
        return DoctorReport(
            orphans=tuple(view.name for view in views if view.name in standing and not view.present),
            missing_dependencies={name: needs for name, needs in lacking.items() if needs},
            manifest_errors=tuple(
                issue.message for issue in validate_discovery(discovery, core_version=core_version()) if issue.severity is Severity.ERROR
            ),
            errored_modules=tuple(view.name for view in views if view.error),
        )

    async def operation_log(self, name: str, *, limit: int = 50) -> list[dict[str, Any]]:
        """The newest entries of the module's trail."""
        return [dict(row) for row in await books.operations(self._db, name, limit=limit)]

    async def install(self, name: str, force: bool = False) -> list[str]:
        raise _only_people("install", name)

    async def uninstall(self, name: str, force: bool = False) -> list[str]:
        raise _only_people("uninstall", name)

    async def upgrade(self, name: str) -> bool:
        raise _only_people("upgrade", name)


def mount_modules(app: "FastAPI", registry: ModuleRegistry = module_registry) -> list[str]:
    """Mount the routes of the registry's modules and activate them; the names of those that are in force now."""
    from app.main import mount_routes

    mount_routes(app, registry)
    return [module.name for module in registry.active]


def register_discovered() -> Discovery:
    """What the installed distributions offer. Only what is installed in the database is ever mounted."""
    return discover_modules()


def _only_people(operation: str, name: str) -> ModuleOperationError:
    return ModuleOperationError(
        f"A module's code does not {operation} {name}; people do, with POST /api/v1/modules/{name}/{operation} "
        f"or `dentalpin modules {operation} {name}`."
    )
