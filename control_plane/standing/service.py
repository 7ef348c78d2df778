"""Looking at a tenant's payments: where on the ladder it is to stand now, and everything that follows. `tenant` is locked throughout.

Called by the pass for whatever is due, and by whoever knows sooner that something was paid.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.billing.ladder import Rules, Rung, Verdict, climb, justified
from control_plane.billing.models import Agreement
from control_plane.platform import Platform
from control_plane.standing import telling
from control_plane.standing.carrying import BILLING, carry
from control_plane.standing.errors import ExtensionInPast, ModulesWaitForPayment, NothingToExtend
from control_plane.standing.models import PaymentStanding
from control_plane.standing.owing import card_due, judge
from control_plane.standing.states import StandingEvent, Why
from control_plane.standing.terms import pay_at
from control_plane.tenants.models import Tenant

RULES: Final = Rules()
WAITS: Final = timedelta(minutes=1)
"""How soon a tenant is looked at again that was busy."""
LONGEST_EXTENSION: Final = timedelta(days=90)
REASONS: Final = {
    Why.UNPAID: "an invoice is overdue",
    Why.TRIAL_OVER: "its trial is over and no way to pay was agreed",
    Why.ENDED: "its agreement has ended",
}


async def of(session: AsyncSession, tenant_id: UUID, *, lock: bool = False) -> PaymentStanding | None:
    """None for one nobody pays for: a copy, a demonstration, a clinic without an agreement."""
    return await session.get(PaymentStanding, tenant_id, with_for_update=lock or None, populate_existing=lock)


async def look(session: AsyncSession, platform: Platform, tenant: Tenant) -> PaymentStanding | None:
    """Take the rung that is due, tell its owner, and bring the tenant to it and to its plan's limits. Repeating it changes nothing."""
    now = platform.clock.now()
    agreement = await session.get(Agreement, tenant.id, populate_existing=True)
    if agreement is None:
        return None
    row = await of(session, tenant.id, lock=True)
    if row is None:
        row = PaymentStanding(tenant_id=tenant.id, state=Rung.NONE, state_since=now)
        session.add(row)
    owed = judge(agreement, now)
    if owed is None:
        await _settle(session, platform, tenant, row, at=now)
        row.look_at = card_due(agreement)
    else:
        row.why, row.since = owed.why, owed.since
        await _climb(session, platform, tenant, row, at=now)
    await session.flush()
    row.waits = await carry(session, platform, tenant, row.state)
    if row.waits is None:
        row.carried = f"{agreement.tariff}/{agreement.plan}"
    else:
        row.look_at = min(filter(None, (row.look_at, now + WAITS)))
    return row


async def _settle(session: AsyncSession, platform: Platform, tenant: Tenant, row: PaymentStanding, *, at: datetime) -> None:
    before = row.state
    if before is not Rung.NONE:
        await telling.settled(session, platform, tenant, row, before)
        row.move(StandingEvent.SETTLED, at=at)
        _record(session, tenant, "standing.settled", at=at, before=before)
    row.why, row.since, row.next_at, row.look_at = None, None, None, None
    row.announced, row.announced_at, row.archive = None, None, None
    row.extended_until, row.extended_because, row.extended_by = None, None, None


async def _climb(session: AsyncSession, platform: Platform, tenant: Tenant, row: PaymentStanding, *, at: datetime) -> None:
    """Down to what is justified by what is still owed; then up by what is due, one announced rung at a time."""
    assert row.since is not None
    highest = justified(row.since, at, RULES)
    while list(Rung).index(row.state) > list(Rung).index(highest):
        before = row.state
        row.move(StandingEvent.EASED, at=at)
        # Each step by itself: the database knows no leaps.
        await session.flush()
        _record(session, tenant, "standing.eased", at=at, before=before, after=row.state)
    while True:
        verdict = climb(row.facts(), at, RULES)
        row.next_at, row.look_at = verdict.next_at, verdict.look_again_at
        if verdict.announce is not None and verdict.next_at is not None:
            row.announced, row.announced_at = verdict.announce, at
            await telling.announced(session, platform, tenant, row, verdict.announce, verdict.next_at)
            _record(session, tenant, "standing.announced", at=at, rung=verdict.announce, on=verdict.next_at.isoformat())
        elif verdict.rung is not row.state:
            await _take(session, platform, tenant, row, verdict, at=at)
        else:
            return


async def _take(session: AsyncSession, platform: Platform, tenant: Tenant, row: PaymentStanding, verdict: Verdict, *, at: datetime) -> None:
    before = row.state
    row.move(StandingEvent.CLIMBED, at=at)
    await session.flush()
    assert row.state is verdict.rung
    await telling.taken(session, platform, tenant, row)
    assert row.why is not None
    _record(session, tenant, "standing.taken", at=at, before=before, after=row.state, why=row.why)


async def extend(
    session: AsyncSession, platform: Platform, tenant: Tenant, *, until: datetime, reason: str, actor: Actor
) -> PaymentStanding:
    """Take no further rung until then: somebody promised to pay, or a dispute is being looked at.

    Raises NothingToExtend, ExtensionInPast.
    """
    now = platform.clock.now()
    row = await look(session, platform, tenant)
    if row is None or row.state is Rung.NONE:
        raise NothingToExtend(tenant.slug)
    if not now < until <= now + LONGEST_EXTENSION:
        raise ExtensionInPast(until, now + LONGEST_EXTENSION)
    row.extended_until, row.extended_because, row.extended_by = until, reason, actor.label
    audit.record(session, actor, "standing.extended", at=now, tenant_id=tenant.id, until=until.isoformat(), reason=reason)
    await telling.extended(session, platform, tenant, row, until)
    return await look(session, platform, tenant) or row


async def end_extension(session: AsyncSession, platform: Platform, tenant: Tenant, *, actor: Actor) -> PaymentStanding:
    """Go on as without it; what was not announced is announced first. Raises NothingToExtend."""
    row = await of(session, tenant.id, lock=True)
    if row is None or row.extended_until is None:
        raise NothingToExtend(tenant.slug)
    row.extended_until, row.extended_because, row.extended_by = None, None, None
    audit.record(session, actor, "standing.extension_ended", at=platform.clock.now(), tenant_id=tenant.id)
    return await look(session, platform, tenant) or row


async def refuse_choice(
    session: AsyncSession, platform: Platform, tenant: Tenant, chosen: frozenset[str], *, already: Iterable[str]
) -> None:
    """Before a choice of modules is recorded. `already`: what runs, whoever asked for it. Raises ModulesWaitForPayment."""
    row = await of(session, tenant.id)
    if row is None or row.why is None or row.state in (Rung.NONE, Rung.BANNER):
        return
    new = sorted(chosen - frozenset(already) - frozenset(tenant.chosen))
    if new or (row.state is not Rung.NO_NEW_MODULES and chosen != frozenset(tenant.chosen)):
        raise ModulesWaitForPayment(tenant.slug, REASONS[row.why], pay_at(platform), rung=row.state, modules=new)


def _record(session: AsyncSession, tenant: Tenant, action: str, *, at: datetime, **details: str) -> None:
    audit.record(session, BILLING, action, at=at, tenant_id=tenant.id, **details)
