"""The agenda: cabinets, appointments and their life from booking to completion."""

from fastapi import APIRouter

from app.core.plugins import BaseModule, ModuleContext

from . import lifecycle
from .events import get_event_handlers
from .manifest import MANIFEST, PERMISSIONS
from .models import Appointment, AppointmentCabinetEvent, AppointmentStatusEvent, Cabinet
from .router import router


class AgendaModule(BaseModule):
    manifest = MANIFEST

    def get_models(self) -> list:
        return [Cabinet, Appointment, AppointmentStatusEvent, AppointmentCabinetEvent]

    def get_router(self) -> APIRouter:
        return router

    def get_permissions(self) -> list[str]:
        return list(PERMISSIONS)

    def get_event_handlers(self) -> dict:
        return get_event_handlers()

    async def install(self, ctx: ModuleContext) -> None:
        await lifecycle.install(ctx)

    async def uninstall(self, ctx: ModuleContext) -> None:
        await lifecycle.uninstall(ctx)

    async def post_upgrade(self, ctx: ModuleContext, from_version: str) -> None:
        await lifecycle.post_upgrade(ctx, from_version)
