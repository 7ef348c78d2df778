"""Asking every active module, clinic by clinic, when it may not be disturbed."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.occupancy.periods import Period, gaps
from app.core.plugins.registry import ModuleRegistry, MountedModule
from app.database import set_clinic

log = logging.getLogger(__name__)

_CLINICS = text("SELECT id FROM clinics ORDER BY id")


@dataclass(frozen=True, slots=True)
class Answer:
    """When the tenant's clinics are all at rest, and which modules could not say."""

    now: datetime
    slots: tuple[Period, ...]
    failed: tuple[str, ...] = ()
    """Modules whose own code failed to answer: the slots hold as far as the others know."""


async def idle_slots(session: AsyncSession, registry: ModuleRegistry, *, now: datetime, least: timedelta, ahead: timedelta) -> Answer:
    """Times of at least `least`, up to `ahead` from `now`, in which no module of any clinic has something going on.

    A tenant has one runtime for all its clinics, so a slot is one for all of them. Leaves the session without a clinic.
    """
    within = Period(now, now + ahead)
    busy: list[Period] = []
    failed: set[str] = set()
    for (clinic_id,) in (await session.execute(_CLINICS)).all():
        await set_clinic(session, clinic_id)
        for module in registry.active:
            periods = await _busy(session, module, clinic_id, within)
            if periods is None:
                failed.add(module.name)
            else:
                busy += periods
    await set_clinic(session, None)
    return Answer(now, tuple(gaps(busy, within, least=least)), tuple(sorted(failed)))


async def _busy(session: AsyncSession, module: MountedModule, clinic_id: UUID, within: Period) -> list[Period] | None:
    """What one module says of the clinic at hand; None where its code fails. A failing query takes nothing else back."""
    try:
        async with session.begin_nested():
            return [Period(each.start, each.end) for each in await module.module.get_busy_periods(session, clinic_id, within)]
    except Exception:
        # The module's own code: whatever it raises must not keep the others from being heard.
        log.exception("%s could not say when it is busy", module.name)
        return None
