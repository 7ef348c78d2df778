"""What nobody asks for: reading the provider when something is to have happened there, and once a day comparing everything.

`billing` begins the operation `bill` for agreements whose time has come or whose tenant is not what is paid for; `billing_reconcile` goes
through the provider's account as a whole, so that no event is needed for anything.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, delete, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.audit import service as audit
from control_plane.billing import agreements, happenings
from control_plane.billing.accounts import guard
from control_plane.billing.agreements import AGAIN
from control_plane.billing.models import Agreement, PaymentEvent
from control_plane.billing.states import AgreementStatus, ProviderName
from control_plane.billing.taking_over import items_json
from control_plane.operations.kinds import OperationKind
from control_plane.operations.models import Operation
from control_plane.operations.states import OPEN, OperationState
from control_plane.operations.steps.base import Tools
from control_plane.payments.errors import PaymentDeclined, ProviderRefused
from control_plane.payments.provider import PaymentProvider
from control_plane.payments.values import Subscription, SubscriptionStatus
from control_plane.platform import Platform
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState

EVENTS_BACK: Final = timedelta(days=3)
"""How far back a provider's events are gone through each night: it repeats them itself for as long."""
AFTER_TROUBLE: Final = timedelta(minutes=10)
KEPT: Final = timedelta(days=90)
ORPHAN_AFTER: Final = timedelta(days=1)
"""How long a subscription of nobody's may stand: whoever makes one writes it down within minutes."""
_BATCH: Final = 500
_OVER: Final = (AgreementStatus.CANCELED, AgreementStatus.EXPIRED)

log = logging.getLogger(__name__)


async def begin_due(tools: Tools) -> None:
    """The pass `billing`."""
    platform = tools.platform
    async with platform.database.transaction() as session:
        due = list(await session.scalars(_due(platform.clock.now()).limit(_BATCH)))
    for tenant_id in due:
        try:
            await _begin(platform, tenant_id)
        except Exception:
            log.exception("the payments of tenant %s could not be looked at; it is tried again", tenant_id)
            await _put_off(platform, tenant_id)


def _due(now: datetime) -> Any:
    live = and_(Agreement.subscription.is_not(None), Agreement.status.not_in(_OVER))
    differs = or_(
        and_(Tenant.state == TenantState.ACTIVE, Agreement.generation < Tenant.generation),
        and_(Tenant.state == TenantState.CLOSING, Agreement.cancels_at_period_end.is_(False)),
        and_(Tenant.state != TenantState.CLOSING, Agreement.ends_with_tenant),
        Tenant.state == TenantState.DELETED,
        # Somebody asked for it here, and the provider has not been told yet.
        Agreement.cancel_asked.is_not(None),
        and_(Tenant.state == TenantState.ACTIVE, Agreement.prorate_at.is_not(None)),
    )
    mine = (Operation.tenant_id == Agreement.tenant_id, Operation.kind == OperationKind.BILL)
    under_way = exists().where(*mine, Operation.state.in_(OPEN))
    failed = exists().where(*mine, Operation.state == OperationState.FAILED, Operation.finished_at > now - AGAIN)
    return (
        select(Agreement.tenant_id)
        .join(Tenant, Tenant.id == Agreement.tenant_id)
        .where(or_(Agreement.look_at <= now, and_(live, differs, ~failed)), ~under_way)
        .order_by(Agreement.look_at)
    )


async def _begin(platform: Platform, tenant_id: UUID) -> None:
    now = platform.clock.now()
    async with platform.database.transaction() as session:
        # Whoever holds it holds up nobody else.
        tenant = await session.get(Tenant, tenant_id, with_for_update={"skip_locked": True}, populate_existing=True)
        row = await agreements.of(session, tenant_id, lock=True) if tenant is not None else None
        if tenant is not None and row is not None:
            await agreements.begin(session, tenant, actor=WORKER, at=now)
            row.look_at = now + AGAIN


async def _put_off(platform: Platform, tenant_id: UUID) -> None:
    async with platform.database.transaction() as session:
        later = update(Agreement).where(Agreement.tenant_id == tenant_id)
        await session.execute(later.values(look_at=platform.clock.now() + AFTER_TROUBLE))


@dataclass(frozen=True, slots=True)
class _Known:
    tenant_id: UUID
    facts: tuple[object, ...]


async def reconcile(tools: Tools) -> None:
    """The pass `billing_reconcile`: compare with every provider that is connected. Raises WrongAccount before anything is changed."""
    platform = tools.platform
    for name, provider in platform.payments.by_name.items():
        platform.payments.verified.discard(name)
        await guard(platform, name)
        await _missed_events(platform, name, provider)
        await _compare(platform, name, provider)
    async with platform.database.transaction() as session:
        await session.execute(delete(PaymentEvent).where(PaymentEvent.received_at < platform.clock.now() - KEPT))


async def _missed_events(platform: Platform, name: ProviderName, provider: PaymentProvider) -> None:
    now = platform.clock.now()
    async for happening in provider.happenings(now - EVENTS_BACK):
        async with platform.database.transaction() as session:
            known = await happenings.known(session, name, happening)
        if known:
            continue
        told = await provider.completed(happening)
        async with platform.database.transaction() as session:
            if await happenings.receive(session, name, told, at=now):
                log.info("an event of %s had not arrived: %s", name, happening.kind)


async def _compare(platform: Platform, name: ProviderName, provider: PaymentProvider) -> None:
    known = await _known(platform, name)
    seen: set[str] = set()
    async for found in provider.all_subscriptions():
        seen.add(found.id)
        row = known.get(found.id)
        if row is None:
            try:
                await _nobodys(platform, name, provider, found)
            except (ProviderRefused, PaymentDeclined):
                log.exception("%s has the subscription %s of no agreement, and it could not be ended", name, found.id)
        elif row.facts != _facts(found):
            await _look_now(platform, row.tenant_id)
    for id_, row in known.items():
        # The list leaves out what is over: here it is not, or was not when it was read last.
        if id_ not in seen and not AgreementStatus(str(row.facts[0])).over:
            await _look_now(platform, row.tenant_id)


async def _known(platform: Platform, name: ProviderName) -> Mapping[str, _Known]:
    query = select(Agreement).where(Agreement.provider == name, Agreement.subscription.is_not(None))
    async with platform.database.transaction() as session:
        return {
            str(row.subscription): _Known(
                row.tenant_id,
                (
                    row.status.value,
                    tuple(sorted(row.items.items())),
                    row.trial_ends,
                    row.period_ends,
                    row.cancels_at_period_end,
                    row.method,
                    row.has_method,
                ),
            )
            for row in await session.scalars(query)
        }


def _facts(found: Subscription) -> tuple[object, ...]:
    return (
        found.status.value,
        tuple(items_json(found.items).items()),
        found.trial_ends,
        found.period_ends,
        found.cancels_at_period_end,
        found.method,
        found.has_method,
    )


async def _look_now(platform: Platform, tenant_id: UUID) -> None:
    async with platform.database.transaction() as session:
        row = await agreements.of(session, tenant_id, lock=True)
        if row is not None:
            row.look_at = platform.clock.now()


async def _nobodys(platform: Platform, name: ProviderName, provider: PaymentProvider, found: Subscription) -> None:
    """A subscription no agreement names. Where its tenant has an agreement that is looked at, which ends what is one too many; where there
    is none and nothing was ever paid it is ended, since nobody could use what it is for; else a person is told.
    """
    now = platform.clock.now()
    if found.tenant_id is None or found.created > now - ORPHAN_AFTER:
        # Not made by this platform, or by somebody who is about to write it down.
        return
    async with platform.database.transaction() as session:
        tenant = await session.get(Tenant, found.tenant_id)
        row = await agreements.of(session, found.tenant_id) if tenant is not None else None
    if row is not None and row.provider == name:
        await _look_now(platform, row.tenant_id)
        return
    paid = any(one.subscription == found.id and one.paid > 0 for one in await provider.invoices(found.customer))
    if not paid and found.status is not SubscriptionStatus.ACTIVE:
        await provider.cancel(found.id, at_period_end=False, key=f"orphan:{found.id}")
    action = "billing.orphan_found" if paid or found.status is SubscriptionStatus.ACTIVE else "billing.orphan_ended"
    log.warning("%s has the subscription %s of no agreement: %s", name, found.id, action)
    async with platform.database.transaction() as session:
        _record_orphan(session, action, name, found, now)


def _record_orphan(session: AsyncSession, action: str, name: ProviderName, found: Subscription, now: datetime) -> None:
    about = str(found.tenant_id)
    audit.record(session, WORKER, action, at=now, provider=name, subscription=found.id, customer=found.customer, named_tenant=about)
