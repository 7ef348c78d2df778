"""Patients: who they are and how to reach them. The module every clinical module builds on."""

from fastapi import APIRouter

from app.core.demos import DemoClinic
from app.core.plugins import BaseModule, ModuleContext

from . import lifecycle
from .events import get_event_handlers
from .manifest import MANIFEST, PERMISSIONS
from .models import Patient
from .router import router


class PatientsModule(BaseModule):
    manifest = MANIFEST

    def get_models(self) -> list:
        return [Patient]

    def get_router(self) -> APIRouter:
        return router

    def get_permissions(self) -> list[str]:
        return list(PERMISSIONS)

    def get_event_handlers(self) -> dict:
        return get_event_handlers()

    def get_tools(self) -> list:
        # Imported when the first agent asks: a runtime without one does not pay for it.
        from .tools import TOOLS

        return list(TOOLS)

    async def install(self, ctx: ModuleContext) -> None:
        await lifecycle.install(ctx)

    async def fill_demo(self, ctx: ModuleContext, clinic: DemoClinic) -> None:
        from .demo import fill

        await fill(ctx, clinic)

    async def uninstall(self, ctx: ModuleContext) -> None:
        await lifecycle.uninstall(ctx)

    async def post_upgrade(self, ctx: ModuleContext, from_version: str) -> None:
        await lifecycle.post_upgrade(ctx, from_version)
