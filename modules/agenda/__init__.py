"""The agenda: cabinets, appointments and their life from booking to completion."""

from uuid import UUID

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.demos import DemoClinic
from app.core.occupancy import Period
from app.core.plugins import BaseModule, ModuleContext

from . import lifecycle
from .events import get_event_handlers, get_events
from .manifest import MANIFEST, PERMISSIONS
from .models import Appointment, AppointmentCabinetEvent, AppointmentStatusEvent, Cabinet
from .occupancy import busy_periods
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

    def get_events(self) -> dict:
        return get_events()

    def get_tools(self) -> list:
        # Imported when the first agent asks: a runtime without one does not pay for it.
        from .tools import TOOLS

        return list(TOOLS)

    def get_agents(self) -> list:
        from .agents import CabinetPlanner

        return [CabinetPlanner]

    async def get_busy_periods(self, db: AsyncSession, clinic_id: UUID, within: Period) -> list[Period]:
        return await busy_periods(db, clinic_id, within)

    async def install(self, ctx: ModuleContext) -> None:
        await lifecycle.install(ctx)

    async def fill_demo(self, ctx: ModuleContext, clinic: DemoClinic) -> None:
        from .demo import fill

        await fill(ctx, clinic)

    async def uninstall(self, ctx: ModuleContext) -> None:
        await lifecycle.uninstall(ctx)

    async def post_upgrade(self, ctx: ModuleContext, from_version: str) -> None:
        await lifecycle.post_upgrade(ctx, from_version)
