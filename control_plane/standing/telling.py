"""What owners are mailed of the ladder: each rung before it is taken and when it is, an extension, and that all is well again.

One mail of each per time that something is owed: its first day is part of the key.
"""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.billing.ladder import Rung
from control_plane.mail import outbox
from control_plane.platform import Platform
from control_plane.revisions import service as revisions
from control_plane.revisions.document import parse
from control_plane.standing.models import PaymentStanding
from control_plane.standing.terms import pay_at
from control_plane.tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class _Words:
    locale: str
    timezone: str
    key: str

    def day(self, moment: datetime) -> date:
        return moment.astimezone(ZoneInfo(self.timezone)).date()


async def _words(session: AsyncSession, tenant: Tenant, row: PaymentStanding) -> _Words:
    clinic = parse((await revisions.desired(session, tenant)).document).clinic
    begun = row.since.isoformat() if row.since else "over"
    return _Words(clinic.locale, clinic.timezone, f"standing-{tenant.id}-{begun}")


async def announced(session: AsyncSession, platform: Platform, tenant: Tenant, row: PaymentStanding, coming: Rung, on: datetime) -> None:
    words = await _words(session, tenant, row)
    await outbox.send(
        session,
        key=f"{words.key}-{coming}-{on.date()}",
        to=tenant.owner_email,
        template="payment_ahead",
        locale=words.locale,
        at=platform.clock.now(),
        tenant_id=tenant.id,
        clinic=tenant.name,
        why=row.why,
        rung=coming,
        on=words.day(on),
        pay_at=pay_at(platform),
    )


async def taken(session: AsyncSession, platform: Platform, tenant: Tenant, row: PaymentStanding) -> None:
    words = await _words(session, tenant, row)
    await outbox.send(
        session,
        key=f"{words.key}-{row.state}-taken",
        to=tenant.owner_email,
        template="payment_taken",
        locale=words.locale,
        at=platform.clock.now(),
        tenant_id=tenant.id,
        clinic=tenant.name,
        why=row.why,
        rung=row.state,
        pay_at=pay_at(platform),
    )


async def extended(session: AsyncSession, platform: Platform, tenant: Tenant, row: PaymentStanding, until: datetime) -> None:
    words = await _words(session, tenant, row)
    await outbox.send(
        session,
        key=f"{words.key}-extended-{until.date()}",
        to=tenant.owner_email,
        template="payment_extended",
        locale=words.locale,
        at=platform.clock.now(),
        tenant_id=tenant.id,
        clinic=tenant.name,
        on=words.day(until),
        pay_at=pay_at(platform),
    )


async def settled(session: AsyncSession, platform: Platform, tenant: Tenant, row: PaymentStanding, before: Rung) -> None:
    words = await _words(session, tenant, row)
    await outbox.send(
        session,
        key=f"{words.key}-settled",
        to=tenant.owner_email,
        template="payment_settled",
        locale=words.locale,
        at=platform.clock.now(),
        tenant_id=tenant.id,
        clinic=tenant.name,
        rung=before,
    )
