"""The pass `standing`: looks at every tenant for which time or a payment may have changed something, each in a transaction of its own."""

import logging
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Select, and_, or_, select, update

from control_plane.billing.models import Agreement
from control_plane.billing.states import AgreementStatus, Begins
from control_plane.operations.steps.base import Tools
from control_plane.platform import Platform
from control_plane.standing import service
from control_plane.standing.models import PaymentStanding
from control_plane.standing.states import Why
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import GOING

AFTER_TROUBLE: Final = timedelta(minutes=10)
_BATCH: Final = 200
_OVER: Final = (AgreementStatus.CANCELED, AgreementStatus.EXPIRED)

log = logging.getLogger(__name__)


async def climb_ladders(tools: Tools) -> None:
    seen: set[UUID] = set()
    while found := await _due(tools.platform, seen):
        for tenant_id in found:
            seen.add(tenant_id)
            try:
                await _look_at(tools.platform, tenant_id)
            except Exception:
                log.exception("the payments of tenant %s could not be looked at; it is tried again", tenant_id)
                later = tools.platform.clock.now() + AFTER_TROUBLE
                async with tools.platform.database.transaction() as session:
                    put_off = update(PaymentStanding).where(PaymentStanding.tenant_id == tenant_id)
                    await session.execute(put_off.values(look_at=later))


async def _due(platform: Platform, seen: set[UUID]) -> list[UUID]:
    async with platform.database.transaction() as session:
        return list(await session.scalars(_looked_at(platform.clock.now()).where(Tenant.id.not_in(seen)).limit(_BATCH)))


def _looked_at(now: datetime) -> Select[UUID]:
    """Whose time has come, and whose agreement says something else than was seen last. Never trusts that somebody said so."""
    row, agreement = PaymentStanding, Agreement
    to_subscribe = and_(agreement.status == AgreementStatus.NEW, agreement.begins == Begins.CHECKOUT)
    not_in_order = (agreement.status == AgreementStatus.PAUSED, agreement.status.in_(_OVER), to_subscribe)
    in_order = and_(agreement.overdue_since.is_(None), ~or_(*not_in_order))
    differs = or_(
        and_(agreement.overdue_since.is_not(None), row.since.is_distinct_from(agreement.overdue_since)),
        and_(agreement.overdue_since.is_(None), agreement.status == AgreementStatus.PAUSED, row.why.is_distinct_from(Why.TRIAL_OVER)),
        and_(agreement.overdue_since.is_(None), agreement.status.in_(_OVER), row.why.is_distinct_from(Why.ENDED)),
        and_(to_subscribe, row.why.is_(None), row.look_at.is_(None)),
        and_(in_order, row.why.is_not(None)),
        row.carried.is_distinct_from(agreement.tariff + "/" + agreement.plan) & row.waits.is_(None),
    )
    return (
        select(Tenant.id)
        .join(agreement, agreement.tenant_id == Tenant.id)
        .outerjoin(row, row.tenant_id == Tenant.id)
        .where(Tenant.state.not_in(GOING), Tenant.generation > 0, or_(row.look_at <= now, differs))
        .order_by(row.look_at, Tenant.id)
    )


async def _look_at(platform: Platform, tenant_id: UUID) -> None:
    async with platform.database.transaction() as session:
        tenant = await session.get(Tenant, tenant_id, with_for_update={"skip_locked": True}, populate_existing=True)
        if tenant is not None and tenant.state not in GOING:
            await service.look(session, platform, tenant)
