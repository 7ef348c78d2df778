"""The ledger of commissions: lines derived from how invoices stand, written in the transaction that writes the invoice.

billing (an invoice was read) → here → `commission_entry` → statements. A daily pass derives everything again, which adds nothing.
"""

import hashlib
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.billing.models import BilledInvoice
from control_plane.operations.steps.base import Tools
from control_plane.resellers.belonging import customer_of
from control_plane.resellers.commission import ZERO, Collected, EntryKind, Share, missing
from control_plane.resellers.models import CommissionEntry, ResellerTenant, ResellerTerms
from control_plane.resellers.terms import Payer

_AT_ONCE: Final = 200


def collected(invoice: BilledInvoice) -> Collected:
    return Collected(invoice.net, invoice.total, invoice.paid, invoice.refunded, invoice.disputed)


async def derive(session: AsyncSession, invoice: BilledInvoice, *, at: datetime) -> list[CommissionEntry]:
    """Add the lines the ledger lacks for an invoice, which is locked. Whose customer the tenant was, and what was agreed, is looked up for
    the moment the invoice was made: what happens later changes neither. None for a direct customer, and where the reseller pays itself.
    """
    customer = await customer_of(session, invoice.tenant_id, at=invoice.created_at)
    if customer is None or customer.payer is Payer.RESELLER:
        return []
    terms = await _terms(session, customer.reseller_id, at=invoice.created_at)
    if terms is None or not terms.commission_percent:
        return []
    await _hold(session, customer.reseller_id, shared=True)
    written = await _written(session, invoice.id)
    lines = [
        CommissionEntry(
            reseller_id=customer.reseller_id,
            tenant_id=invoice.tenant_id,
            terms_id=terms.id,
            invoice=invoice.id,
            invoice_number=invoice.number,
            invoiced_at=invoice.created_at,
            kind=kind,
            currency=invoice.currency,
            gross=share.gross,
            base=share.base,
            percent=terms.commission_percent,
            amount=share.amount,
            at=at,
        )
        for kind, share in missing(collected(invoice), terms.commission_percent, written).items()
    ]
    session.add_all(lines)
    await session.flush()
    return lines


async def derive_tenant(session: AsyncSession, tenant_id: UUID, *, at: datetime) -> int:
    """Derive all invoices of a tenant, which is locked; how many lines were added."""
    query = select(BilledInvoice).where(BilledInvoice.tenant_id == tenant_id).order_by(BilledInvoice.created_at, BilledInvoice.id)
    return sum([len(await derive(session, invoice, at=at)) for invoice in await session.scalars(query.with_for_update())])


async def derive_all(tools: Tools) -> None:
    """Every invoice of every tenant that is or was a reseller's: whatever was missed is made up for."""
    platform, last = tools.platform, UUID(int=0)
    while True:
        async with platform.database.transaction() as session:
            some = select(ResellerTenant.tenant_id).where(ResellerTenant.tenant_id > last).distinct().order_by(ResellerTenant.tenant_id)
            tenants = list(await session.scalars(some.limit(_AT_ONCE)))
        if not tenants:
            return
        for tenant_id in tenants:
            async with platform.database.transaction() as session:
                await derive_tenant(session, tenant_id, at=platform.clock.now())
        last = tenants[-1]


async def balance(session: AsyncSession, reseller_id: UUID) -> dict[str, Decimal]:
    """{currency: the sum of all lines}."""
    query = select(CommissionEntry.currency, func.sum(CommissionEntry.amount)).where(CommissionEntry.reseller_id == reseller_id)
    return {row[0]: row[1] for row in await session.execute(query.group_by(CommissionEntry.currency).order_by(CommissionEntry.currency))}


async def hold(session: AsyncSession, reseller_id: UUID) -> None:
    """Keep the ledger of a reseller as it is until the transaction ends: every line that is on its way is in before."""
    await _hold(session, reseller_id, shared=False)


async def _hold(session: AsyncSession, reseller_id: UUID, *, shared: bool) -> None:
    key = int.from_bytes(hashlib.sha256(f"commission:{reseller_id}".encode()).digest()[:8], "big", signed=True)
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    await session.execute(text(f"SELECT {function}(:key)"), {"key": key})


async def _terms(session: AsyncSession, reseller_id: UUID, *, at: datetime) -> ResellerTerms | None:
    in_force = select(ResellerTerms).where(ResellerTerms.reseller_id == reseller_id, ResellerTerms.valid_from <= at)
    found: ResellerTerms | None = await session.scalar(
        in_force.order_by(ResellerTerms.valid_from.desc(), ResellerTerms.number.desc()).limit(1)
    )
    return found


async def _written(session: AsyncSession, invoice: str) -> dict[EntryKind, Share]:
    sums = [func.coalesce(func.sum(column), ZERO) for column in (CommissionEntry.gross, CommissionEntry.base, CommissionEntry.amount)]
    query = select(CommissionEntry.kind, *sums).where(CommissionEntry.invoice == invoice).group_by(CommissionEntry.kind)
    return {row[0]: Share(row[1], row[2], row[3]) for row in await session.execute(query)}
