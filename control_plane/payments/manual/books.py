"""Reading and writing bank transfer's books, each function in the caller's transaction. Rows are locked before they are decided upon."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import and_, false, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.payments.errors import ProviderRefused
from control_plane.payments.manual.models import ManualCustomer, ManualInvoice, ManualNumber, ManualPayment, ManualSubscription
from control_plane.payments.manual.reckoning import ZERO, change_lines, month_after, month_lines, tax_on, total_of
from control_plane.payments.values import Invoice, InvoiceLine, InvoiceStatus, Item, Subscription, SubscriptionStatus


@dataclass(frozen=True, slots=True)
class Terms:
    tax_percent: Decimal
    due_days: int
    issuer: str
    pay_to: str


def items_of(row: ManualSubscription) -> dict[str, Item]:
    return {key: Item(key, Decimal(item["amount"]), item["title"]) for key, item in row.items.items()}


def stored(items: Mapping[str, Item]) -> dict[str, Any]:
    return {key: {"amount": str(item.amount), "title": item.title} for key, item in sorted(items.items())}


async def locked(session: AsyncSession, id_: str, now: datetime, terms: Terms) -> ManualSubscription | None:
    """The subscription with everything done that time brought about since it was looked at last."""
    row = await session.get(ManualSubscription, id_, with_for_update=True, populate_existing=True)
    if row is not None:
        await advance(session, row, now, terms)
    return row


async def advance(session: AsyncSession, row: ManualSubscription, now: datetime, terms: Terms) -> None:
    """Begin every period whose time has come, each with its invoice; end what was to end."""
    while row.ended_at is None and row.period_ends <= now:
        if row.cancels_at_period_end:
            row.status, row.ended_at = SubscriptionStatus.CANCELED, row.period_ends
            return
        row.status = SubscriptionStatus.ACTIVE
        row.period_starts, row.period_ends = row.period_ends, month_after(row.period_ends, row.anchor)
        await issue(session, row, month_lines(items_of(row), row.period_starts, row.period_ends), now, terms)


async def issue(session: AsyncSession, row: ManualSubscription, lines: tuple[InvoiceLine, ...], now: datetime, terms: Terms) -> None:
    """Make an invoice of these lines, paid from credit as far as there is any. What sums up to nothing or less becomes credit."""
    net = total_of(lines)
    total = net + tax_on(net, terms.tax_percent)
    if total <= 0:
        row.credit -= total
        return
    customer = await session.get_one(ManualCustomer, row.customer)
    credited = min(row.credit, total)
    row.credit -= credited
    paid = credited == total
    session.add(
        ManualInvoice(
            id=f"min_{secrets.token_hex(8)}",
            number=await _next_number(session, now.year),
            subscription=row.id,
            customer=row.customer,
            status=InvoiceStatus.PAID if paid else InvoiceStatus.OPEN,
            currency=row.currency,
            net=net,
            tax=total - net,
            total=total,
            credited=credited,
            lines=[_stored_line(line) for line in lines],
            billed_to={"name": customer.name, "country": customer.country, "tax_id": customer.tax_id},
            tax_percent=terms.tax_percent,
            issuer=terms.issuer,
            pay_to=terms.pay_to,
            created_at=now,
            due_at=now + timedelta(days=terms.due_days),
            paid_at=now if paid else None,
        )
    )
    await session.flush()


async def _next_number(session: AsyncSession, year: int) -> str:
    """Without a gap: the row stays locked until the invoice stands, and a number whose invoice is rolled back is given again."""
    first = insert(ManualNumber).values(year=year, last=1)
    given = first.on_conflict_do_update(index_elements=["year"], set_={"last": ManualNumber.last + 1}).returning(ManualNumber.last)
    return f"{year}-{await session.scalar(given):06d}"


async def change_items(
    session: AsyncSession, row: ManualSubscription, items: Mapping[str, Item], *, at: datetime, now: datetime, terms: Terms
) -> None:
    before = items_of(row)
    row.items = stored(items)
    if row.status is SubscriptionStatus.TRIALING:
        return
    lines = change_lines(before, items, starts=row.period_starts, ends=row.period_ends, at=at)
    if lines:
        await issue(session, row, lines, now, terms)


async def record(
    session: AsyncSession, invoice_id: str, amount: Decimal, *, received_on: date, reference: str, key: str, by: str, now: datetime
) -> ManualInvoice:
    """Money that arrived for an invoice. What is more than was owed becomes credit. The same key again changes nothing.

    Raises ProviderRefused.
    """
    invoice = await session.get(ManualInvoice, invoice_id, with_for_update=True, populate_existing=True)
    if invoice is None or amount <= 0:
        raise ProviderRefused("there is no such invoice for a bank transfer, or the amount is not one.")
    if not await _add_payment(session, invoice_id, amount, received_on=received_on, reference=reference, key=key, by=by, now=now):
        return invoice
    paid, _ = await sums(session, invoice)
    over = paid + invoice.credited - invoice.total
    if over >= 0 and invoice.status is not InvoiceStatus.PAID:
        invoice.status, invoice.paid_at = InvoiceStatus.PAID, now
        more = over
    else:
        more = amount if over >= 0 else ZERO
    if more > 0:
        subscription = await session.get_one(ManualSubscription, invoice.subscription, with_for_update=True, populate_existing=True)
        subscription.credit += more
    return invoice


async def give_back(session: AsyncSession, invoice_id: str, amount: Decimal, *, reason: str, key: str, now: datetime) -> None:
    """Write down what is sent back of what was paid. Raises ProviderRefused where that is more than was paid."""
    invoice = await session.get(ManualInvoice, invoice_id, with_for_update=True, populate_existing=True)
    known = await session.scalar(select(ManualPayment.id).where(ManualPayment.invoice == invoice_id, ManualPayment.key == key))
    if known is not None:
        return
    paid, refunded = await sums(session, invoice) if invoice is not None else (ZERO, ZERO)
    if invoice is None or amount > min(paid, invoice.total) - refunded:
        raise ProviderRefused("more would be given back than was paid.")
    await _add_payment(session, invoice_id, -amount, received_on=now.date(), reference=reason[:200], key=key, by="platform", now=now)


async def _add_payment(
    session: AsyncSession, invoice_id: str, amount: Decimal, *, received_on: date, reference: str, key: str, by: str, now: datetime
) -> bool:
    facts = {"amount": amount, "received_on": received_on, "reference": reference, "recorded_at": now, "recorded_by": by}
    added = insert(ManualPayment).values(invoice=invoice_id, key=key, **facts).on_conflict_do_nothing().returning(ManualPayment.id)
    return await session.scalar(added) is not None


async def sums(session: AsyncSession, invoice: ManualInvoice) -> tuple[Decimal, Decimal]:
    """(arrived, refunded). What was sent back before the invoice was paid has not arrived; what was sent back afterwards is a refund."""
    refund = and_(ManualPayment.amount < 0, ManualPayment.recorded_at >= invoice.paid_at) if invoice.paid_at else false()
    arrived = func.coalesce(func.sum(ManualPayment.amount).filter(~refund), ZERO)
    back = func.coalesce(func.sum(-ManualPayment.amount).filter(refund), ZERO)
    row = (await session.execute(select(arrived, back).where(ManualPayment.invoice == invoice.id))).one()
    return Decimal(row[0]), Decimal(row[1])


async def take_credit_along(session: AsyncSession, row: ManualSubscription) -> None:
    """What the same payer had in hand when an earlier subscription of the same tenant ended lowers the next invoice of this one."""
    earlier = select(ManualSubscription).where(
        ManualSubscription.tenant_id == row.tenant_id,
        ManualSubscription.customer == row.customer,
        ManualSubscription.currency == row.currency,
        ManualSubscription.ended_at.is_not(None),
        ManualSubscription.credit > 0,
        ManualSubscription.id != row.id,
    )
    for one in await session.scalars(earlier.order_by(ManualSubscription.id).with_for_update()):
        row.credit, one.credit = row.credit + one.credit, ZERO


async def pay_from_credit(session: AsyncSession, row: ManualSubscription, now: datetime) -> None:
    """Of a subscription that ends at once: what is credited for the rest of its period pays what is still owed, the oldest first."""
    query = select(ManualInvoice).where(ManualInvoice.subscription == row.id, ManualInvoice.status == InvoiceStatus.OPEN)
    for invoice in await session.scalars(query.order_by(ManualInvoice.number).with_for_update()):
        arrived, _ = await sums(session, invoice)
        owed = invoice.total - invoice.credited - arrived
        used = min(row.credit, owed)
        invoice.credited, row.credit = invoice.credited + used, row.credit - used
        if used == owed:
            invoice.status, invoice.paid_at = InvoiceStatus.PAID, now


async def shown_subscription(session: AsyncSession, row: ManualSubscription, now: datetime) -> Subscription:
    status = row.status
    late = select(ManualInvoice.id).where(
        ManualInvoice.subscription == row.id, ManualInvoice.status == InvoiceStatus.OPEN, ManualInvoice.due_at < now
    )
    if status is SubscriptionStatus.ACTIVE and await session.scalar(late.limit(1)) is not None:
        status = SubscriptionStatus.PAST_DUE
    return Subscription(
        id=row.id,
        customer=row.customer,
        status=status,
        tenant_id=row.tenant_id,
        items={key: item.amount for key, item in items_of(row).items()},
        currency=row.currency,
        trial_ends=row.trial_ends,
        period_ends=row.period_ends,
        cancels_at_period_end=row.cancels_at_period_end,
        # A bank account to pay from is nothing anybody has to enter.
        has_method=True,
        created=row.created_at,
        ended=row.ended_at,
    )


async def shown_invoice(session: AsyncSession, row: ManualInvoice) -> Invoice:
    arrived, refunded = await sums(session, row)
    paid = min(arrived + row.credited, row.total)
    return Invoice(
        id=row.id,
        number=row.number,
        customer=row.customer,
        subscription=row.subscription,
        status=row.status,
        currency=row.currency,
        net=row.net,
        total=row.total,
        due=row.total - paid if row.status.owed else ZERO,
        paid=paid,
        created=row.created_at,
        due_at=row.due_at,
        paid_at=row.paid_at,
        attempts=0,
        next_attempt=None,
        page=None,
        lines=tuple(_line(one) for one in row.lines),
        refunded=refunded,
        pay_to=row.pay_to,
    )


def _stored_line(line: InvoiceLine) -> dict[str, Any]:
    return {
        "text": line.text,
        "amount": str(line.amount),
        "starts": line.starts.isoformat(),
        "ends": line.ends.isoformat(),
        "proration": line.proration,
    }


def _line(found: Mapping[str, Any]) -> InvoiceLine:
    starts, ends = datetime.fromisoformat(found["starts"]), datetime.fromisoformat(found["ends"])
    return InvoiceLine(found["text"], Decimal(found["amount"]), starts, ends, found["proration"])
