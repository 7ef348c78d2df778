"""What is mailed of the ladder: each rung before it is taken and when it is, an extension, and that all is well again.

The clinic's owner reads it, whose clinic it is, and besides the reseller that pays for it. One mail of each per time that something is
owed: its first day is part of the key.
"""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.models import Reseller
from control_plane.billing.ladder import Rung
from control_plane.billing.models import Agreement
from control_plane.billing.states import PayerKind
from control_plane.mail import outbox
from control_plane.platform import Platform
from control_plane.resellers import correspondence
from control_plane.resellers.errors import ResellerUnreachable
from control_plane.revisions import service as revisions
from control_plane.revisions.document import parse
from control_plane.standing.models import PaymentStanding
from control_plane.standing.terms import pay_at
from control_plane.tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class _Reader:
    to: str
    locale: str
    timezone: str
    key: str
    pay_at: str

    def day(self, moment: datetime) -> date:
        return moment.astimezone(ZoneInfo(self.timezone)).date()


async def _readers(session: AsyncSession, platform: Platform, tenant: Tenant, row: PaymentStanding) -> list[_Reader]:
    clinic = parse((await revisions.desired(session, tenant)).document).clinic
    begun = row.since.isoformat() if row.since else "over"
    key = f"standing-{tenant.id}-{begun}"
    readers = [_Reader(tenant.owner_email, clinic.locale, clinic.timezone, key, pay_at(platform))]
    agreement = await session.get(Agreement, tenant.id)
    if agreement is not None and agreement.payer is PayerKind.RESELLER:
        reseller = await session.get_one(Reseller, agreement.reseller_id)
        try:
            address = await correspondence.billing_address(session, reseller)
        except ResellerUnreachable:
            # Its invoices say so to the operators; the ladder does not wait for it.
            return readers
        pages = f"{platform.settings.public_url.rstrip('/')}/reseller"
        readers.append(_Reader(address, reseller.language, clinic.timezone, f"{key}-reseller", pages))
    return readers


async def announced(session: AsyncSession, platform: Platform, tenant: Tenant, row: PaymentStanding, coming: Rung, on: datetime) -> None:
    for reader in await _readers(session, platform, tenant, row):
        await outbox.send(
            session,
            key=f"{reader.key}-{coming}-{on.date()}",
            to=reader.to,
            template="payment_ahead",
            locale=reader.locale,
            at=platform.clock.now(),
            tenant_id=tenant.id,
            clinic=tenant.name,
            why=row.why,
            rung=coming,
            on=reader.day(on),
            pay_at=reader.pay_at,
        )


async def taken(session: AsyncSession, platform: Platform, tenant: Tenant, row: PaymentStanding) -> None:
    for reader in await _readers(session, platform, tenant, row):
        await outbox.send(
            session,
            key=f"{reader.key}-{row.state}-taken",
            to=reader.to,
            template="payment_taken",
            locale=reader.locale,
            at=platform.clock.now(),
            tenant_id=tenant.id,
            clinic=tenant.name,
            why=row.why,
            rung=row.state,
            pay_at=reader.pay_at,
        )


async def extended(session: AsyncSession, platform: Platform, tenant: Tenant, row: PaymentStanding, until: datetime) -> None:
    for reader in await _readers(session, platform, tenant, row):
        await outbox.send(
            session,
            key=f"{reader.key}-extended-{until.date()}",
            to=reader.to,
            template="payment_extended",
            locale=reader.locale,
            at=platform.clock.now(),
            tenant_id=tenant.id,
            clinic=tenant.name,
            on=reader.day(until),
            pay_at=reader.pay_at,
        )


async def settled(session: AsyncSession, platform: Platform, tenant: Tenant, row: PaymentStanding, before: Rung) -> None:
    for reader in await _readers(session, platform, tenant, row):
        await outbox.send(
            session,
            key=f"{reader.key}-settled",
            to=reader.to,
            template="payment_settled",
            locale=reader.locale,
            at=platform.clock.now(),
            tenant_id=tenant.id,
            clinic=tenant.name,
            rung=before,
        )
