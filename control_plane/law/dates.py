"""The days on which the law changes for a tenant: announced 30 and 7 days before, and brought about on the day, in its own time zone.

`tenant.law_due_at` says when each must be looked at next, so that a pass with nothing due is one look in an index.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.compliance.requirements import Change, Requirements, Status
from control_plane.compliance.resolving import HORIZON
from control_plane.compliance.schema import Text
from control_plane.law.applying import WITHIN_REACH, Applied, apply_law
from control_plane.law.statements import history_of
from control_plane.mail import outbox
from control_plane.operations.steps.base import Tools
from control_plane.platform import Platform
from control_plane.releases import service as releases
from control_plane.releases.catalogue import Catalogue
from control_plane.revisions import service as revisions
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState

STAGES: Final = (7, 30)
"""Days before a change on which its clinic is told."""
LOOK_AGAIN: Final = timedelta(days=90)
"""Within the 180 days that are foreseen, so that a coming date is seen in time."""
AFTER_TROUBLE: Final = timedelta(hours=6)
_AT_REST: Final = WITHIN_REACH - {TenantState.CHANGING}
"""One on its way to something else is looked at when it has arrived: an upgrade may still go back."""
_WEIGHTY: Final = frozenset({Status.REQUIRED, Status.FORBIDDEN})
_BATCH: Final = 200

log = logging.getLogger(__name__)


async def keep_the_law(tools: Tools) -> None:
    """The periodic pass."""
    if count := await keep_up(tools.platform):
        log.info("looked at the law of %d tenants", count)


async def keep_up(platform: Platform) -> int:
    """Look at every tenant that is due; how many there were. One transaction each, so that one that fails holds up no other."""
    seen: set[UUID] = set()
    while True:
        async with platform.database.transaction() as session:
            due = list(await session.scalars(_due(platform.clock.now()).where(Tenant.id.not_in(seen)).limit(_BATCH)))
        if not due:
            return len(seen)
        for tenant_id in due:
            seen.add(tenant_id)
            try:
                await _look_at(platform, tenant_id)
            except Exception:
                log.exception("the law of tenant %s could not be looked at; it is tried again", tenant_id)
                async with platform.database.transaction() as session:
                    later = platform.clock.now() + AFTER_TROUBLE
                    await session.execute(update(Tenant).where(Tenant.id == tenant_id).values(law_due_at=later))


def _due(now: datetime):  # type: ignore[no-untyped-def]  # Select[tuple[UUID]], which SQLAlchemy 2.1 writes as Select[UUID]
    return (
        select(Tenant.id)
        .where(or_(Tenant.law_due_at.is_(None), Tenant.law_due_at <= now), Tenant.state.in_(_AT_REST), Tenant.generation > 0)
        .order_by(Tenant.law_due_at, Tenant.id)
    )


async def _look_at(platform: Platform, tenant_id: UUID) -> None:
    async with platform.database.transaction() as session:
        tenant = await session.get(Tenant, tenant_id, with_for_update={"skip_locked": True}, populate_existing=True)
        if tenant is not None and tenant.state in _AT_REST:
            await look(session, platform, tenant)


async def look(session: AsyncSession, platform: Platform, tenant: Tenant) -> Applied:
    """Apply today's law, tell the clinic what is coming and what came, and note when to look again. `tenant` is locked."""
    now = platform.clock.now()
    applied = await apply_law(session, platform, tenant)
    if applied.requirements is None:
        tenant.law_due_at = now + AFTER_TROUBLE
        return applied
    zone = applied.requirements.profile.time_zones[0]
    today = platform.clock.today(zone)
    if tenant.somebodys_own:
        await _announce(session, platform, tenant, applied, applied.requirements, today=today, at=now)
    turns = (await history_of(session, tenant)).boundaries(today, today + HORIZON)
    tenant.law_due_at = next_look(applied.requirements.upcoming, turns, zone, now)
    if applied.problem is not None:
        tenant.law_due_at = min(tenant.law_due_at, now + AFTER_TROUBLE)
    return applied


def next_look(upcoming: Iterable[Change], turns: Iterable[date], zone: str, now: datetime) -> datetime:
    """The first moment after `now` at which a mail is due, the law or a fact changes, or the horizon needs to roll on."""
    days = [change.on - timedelta(days=stage) for change in upcoming if weighty(change) for stage in (*STAGES, 0)]
    days += [change.on for change in upcoming] + list(turns)
    midnights = (datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC) for day in days)
    return min((moment for moment in midnights if moment > now), default=now + LOOK_AGAIN) if days else now + LOOK_AGAIN


def weighty(change: Change) -> bool:
    """Whether a clinic has to hear of a change: what it must do, or may not do, begins or ends."""
    return change.before in _WEIGHTY or change.after in _WEIGHTY


def stage_of(days_left: int) -> int | None:
    """Which announcement is due for a change so many days away: the last one that its day has come for."""
    return next((stage for stage in STAGES if 0 < days_left <= stage), None)


async def _announce(
    session: AsyncSession, platform: Platform, tenant: Tenant, applied: Applied, found: Requirements, *, today: date, at: datetime
) -> None:
    """Mail what is coming, once per day of change and stage, and what began today."""
    weighty_ones = [change for change in found.upcoming if weighty(change)]
    begun = _begun(applied, found)
    if not begun and not any(stage_of((change.on - today).days) for change in weighty_ones):
        return
    catalogue = releases.catalogue_of(await releases.get(session, (await revisions.desired(session, tenant)).release_id))
    locale = found.profile.locales[0]
    for day, group in groupby(sorted(weighty_ones, key=lambda change: change.on), key=lambda change: change.on):
        if stage := stage_of((day - today).days):
            await outbox.send(
                session,
                key=f"law-{tenant.id}-{day}-{stage}",
                to=tenant.owner_email,
                template="law_date",
                locale=locale,
                at=at,
                tenant_id=tenant.id,
                clinic=tenant.name,
                day=day,
                days=(day - today).days,
                changes=[_coming(change, catalogue) for change in group],
            )
    if begun:
        await outbox.send(
            session,
            key=f"law-{tenant.id}-{today}-0",
            to=tenant.owner_email,
            template="law_today",
            locale=locale,
            at=at,
            tenant_id=tenant.id,
            clinic=tenant.name,
            day=today,
            changes=begun,
            problem=applied.problem.message if applied.problem else None,
        )


def _coming(change: Change, catalogue: Catalogue) -> dict[str, object]:
    return {"title": change.title, "after": change.after or "gone", "why": change.why, "module": _module_for(change.id, catalogue)}


def _module_for(obligation: str, catalogue: Catalogue) -> str | None:
    able = [module for module in catalogue.usable().values() if obligation in module.fulfils]
    best = min(able, key=lambda module: (module.category != "official", module.name), default=None)
    return (best.title or best.name) if best else None


def _begun(applied: Applied, found: Requirements) -> list[dict[str, object]]:
    """Obligations that were planned otherwise before, and are required or forbidden from today on, or no longer are."""
    planned = {one.id: one.status for one in applied.before.obligations}
    today = {one.id: one for one in found.obligations}
    begun: list[dict[str, object]] = []
    for one in found.obligations:
        if one.status != planned.get(one.id) and (one.status in _WEIGHTY or planned.get(one.id) in _WEIGHTY):
            met = next((part.fulfilled_by for part in applied.after.obligations if part.id == one.id), None)
            begun.append({"title": one.title, "after": one.status, "why": one.why, "module": met})
    over = [one for one in applied.before.obligations if one.id not in today and one.status in _WEIGHTY]
    return begun + [{"title": _both(one.title), "after": "gone", "why": _both(one.why), "module": None} for one in over]


def _both(words: str) -> Text:
    """Words of a revision, which has them in one language."""
    return Text(en=words, es=words)
