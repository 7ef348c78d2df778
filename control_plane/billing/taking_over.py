"""One reading of the provider: what was agreed when it began, and taking over what was found. The operation `bill` is made of the two."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.access.models import Reseller
from control_plane.audit import service as audit
from control_plane.billing import agreements, mailing
from control_plane.billing.bringing import Found, Wanted
from control_plane.billing.models import READING, Agreement, BilledInvoice
from control_plane.billing.states import AgreementStatus, PayerKind
from control_plane.payments.values import Invoice, InvoiceStatus, Item, Payer, Subscription
from control_plane.plans.tariff import ZERO, Quote, Tariff
from control_plane.platform import Platform
from control_plane.resellers import correspondence, ledger
from control_plane.revisions import service as revisions
from control_plane.revisions.document import RevisionContent, parse
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState

SOON: Final = timedelta(hours=2)
"""After a trial or a period ends: the provider makes its invoice a draft for an hour."""
LONG: Final = timedelta(days=32)
_GONE: Final = frozenset({TenantState.DELETING, TenantState.DELETED})


async def wanted(session: AsyncSession, platform: Platform, tenant_id: UUID, *, operation_id: UUID) -> Wanted | None:
    """What was agreed, read together with the number of the reading that begins now. None for a tenant that nobody pays for."""
    tenant = await session.get_one(Tenant, tenant_id)
    row = await agreements.of(session, tenant_id)
    if row is None or not tenant.somebodys_own:
        return None
    content = parse((await revisions.desired(session, tenant)).document)
    tariff = await agreements.tariff_of(session, row)
    known = {one.id: one for one in await agreements.invoices_of(session, tenant_id)}
    cancel = row.cancel_asked
    if cancel is None and tenant.state is TenantState.CLOSING:
        cancel = True
    elif cancel is None and row.ends_with_tenant and tenant.state not in _GONE:
        cancel = False
    return Wanted(
        tenant_id=tenant_id,
        reading=int(await session.scalar(READING.next_value())),
        key=str(operation_id),
        provider=row.provider,
        begins=row.begins,
        payer=await payer_of(session, tenant, row, content),
        shared=row.payer is PayerKind.RESELLER,
        customer=row.customer,
        subscription=row.subscription,
        items=items_of(tariff, await agreements.quote_of(session, row, content.modules), content.clinic.locale),
        currency=row.currency,
        generation=tenant.generation,
        settled=tenant.state is TenantState.ACTIVE,
        prorate_at=row.prorate_at,
        trial_ends=row.trial_ends,
        agreed_at=row.agreed_at,
        cancel=cancel,
        end_now=tenant.state in _GONE,
        now=platform.clock.now(),
        refused={one.id: one.refused_method for one in known.values()},
        known_subscriptions=frozenset(one.subscription for one in known.values() if one.subscription),
        former=frozenset(one.customer for one in known.values() if one.provider == row.provider),
    )


async def payer_of(session: AsyncSession, tenant: Tenant, agreement: Agreement, content: RevisionContent) -> Payer:
    """Who gets the invoices: the clinic, or the reseller it came by."""
    if agreement.payer is PayerKind.RESELLER:
        reseller = await session.get_one(Reseller, agreement.reseller_id)
        email = await correspondence.billing_address(session, reseller)
        return Payer(f"reseller:{reseller.id}", email, reseller.name, tenant.country, reseller.language)
    return Payer(f"tenant:{tenant.id}", tenant.owner_email, tenant.name, tenant.country, content.clinic.locale, tenant.tax_id)


def items_of(tariff: Tariff, quote: Quote, locale: str) -> tuple[Item, ...]:
    """What is paid for: the plan, whatever it costs, and every module that costs something."""
    plan = tariff.plan(quote.plan)
    titles = {f"plan.{quote.plan}": plan.title.to(locale)}
    return tuple(
        Item(line.item, line.amount, titles.get(line.item, line.module or line.item))
        for line in quote.lines
        if line.amount or line.module is None
    )


async def take_over(session: AsyncSession, platform: Platform, tenant: Tenant, wanted: Wanted, found: Found, *, at: datetime) -> None:
    """Write what a reading found, unless a later one was quicker. `tenant` is locked."""
    row = await agreements.of(session, tenant.id, lock=True)
    if row is None or row.reading > wanted.reading or row.agreed_at != wanted.agreed_at:
        return
    before = row.status
    row.reading, row.read_at = wanted.reading, at
    row.customer = found.customer
    subscription = found.subscription
    if subscription is not None:
        row.subscription, row.checkout = subscription.id, None
        row.status = AgreementStatus.of(subscription.status)
        row.items = items_json(subscription.items)
        row.trial_ends, row.period_ends = subscription.trial_ends, _last_day(subscription)
        row.cancels_at_period_end = subscription.cancels_at_period_end
        row.has_method, row.method = subscription.has_method, subscription.method
        row.ends_with_tenant = subscription.cancels_at_period_end and (
            row.ends_with_tenant or (tenant.state is TenantState.CLOSING and row.cancel_asked is None and wanted.cancel is True)
        )
        if row.cancel_asked == wanted.cancel:
            row.cancel_asked = None
    if found.items_made and row.prorate_at == wanted.prorate_at:
        # Else another change was confirmed while this was read, and is still to be made.
        row.generation, row.prorate_at = max(row.generation, wanted.generation), None
    for double in found.doubles_ended:
        audit.record(session, WORKER, "billing.double_ended", at=at, tenant_id=tenant.id, provider=row.provider, subscription=double)
    refusals = {one.invoice: one for one in found.refusals}
    for invoice in found.invoices:
        stored = await session.get(BilledInvoice, (row.provider, invoice.id), with_for_update=True)
        if stored is None:
            stored = BilledInvoice(provider=row.provider, id=invoice.id, tenant_id=tenant.id)
            session.add(stored)
        known = stored.status
        _tell(session, tenant, stored, invoice, at)
        _write_invoice(stored, invoice, wanted.reading, at)
        if invoice.pay_to is not None:
            stored.page = mailing.page_of(platform, tenant, invoice.id)
        if tenant.state not in _GONE and invoice.customer == found.customer:
            await mailing.mail(session, platform, tenant, wanted.payer, stored, invoice, before=known)
        if (refusal := refusals.get(invoice.id)) is not None:
            stored.refused_method, stored.refused_reason = refusal.method, refusal.reason
        await ledger.derive(session, stored, at=at)
    # What somebody else owes who paid before is not this payer's debt.
    row.overdue_since = overdue_since(tuple(one for one in found.invoices if one.customer == found.customer), at)
    if not wanted.now <= row.look_at <= at:
        # Else an event came while this was read: it is read once more.
        row.look_at = look_at(row, found.invoices, at)
    _note_problem(row, found, at)
    if row.status is not before:
        audit.record(session, WORKER, "billing.status_changed", at=at, tenant_id=tenant.id, before=before, after=row.status)


def _last_day(subscription: Subscription) -> datetime:
    """When the next payment is due; of one that was ended before, when that was."""
    ended = subscription.ended if subscription.status.over else None
    return min(ended or subscription.period_ends, subscription.period_ends)


def _note_problem(row: Agreement, found: Found, at: datetime) -> None:
    """What a person must look at. A dispute takes nothing away from the clinic: the bank decides, and somebody answers it there."""
    disputed = next((one for one in found.invoices if one.disputed > 0), None)
    if found.subscription is not None and found.subscription.currency != row.currency:
        problem = f"The subscription is in {found.subscription.currency}, and {row.currency} was agreed. End it there, and agree anew."
        code = "currency_differs"
    elif disputed is not None:
        problem = f"{disputed.disputed} {disputed.currency} of the invoice {disputed.number} are disputed. Answer the bank at the provider."
        code = "payment_disputed"
    elif found.others:
        problem = f"The agreement is over, and {', '.join(found.others)} goes on. End it at the provider, or agree anew."
        code = "subscription_goes_on"
    else:
        row.problem, row.problem_code, row.problem_since = None, None, None
        return
    if row.problem_code != code:
        row.problem_since = at
    row.problem, row.problem_code = problem, code


def _tell(session: AsyncSession, tenant: Tenant, stored: BilledInvoice, invoice: Invoice, at: datetime) -> None:
    """Write down what happened to an invoice since it was read last, for the audit and for whoever listens."""
    facts = {"invoice": invoice.id, "number": invoice.number, "currency": invoice.currency}
    refunded, disputed, attempts = stored.refunded or ZERO, stored.disputed or ZERO, stored.attempts or 0
    if invoice.status is InvoiceStatus.PAID and stored.status is not InvoiceStatus.PAID and invoice.total > 0:
        audit.record(session, WORKER, "billing.invoice_paid", at=at, tenant_id=tenant.id, total=str(invoice.total), **facts)
    elif invoice.status.owed and invoice.attempts > attempts:
        audit.record(session, WORKER, "billing.payment_failed", at=at, tenant_id=tenant.id, due=str(invoice.due), **facts)
    if invoice.refunded > refunded:
        audit.record(session, WORKER, "billing.refunded", at=at, tenant_id=tenant.id, amount=str(invoice.refunded - refunded), **facts)
    if invoice.disputed != disputed:
        action = "billing.disputed" if invoice.disputed > disputed else "billing.dispute_over"
        audit.record(session, WORKER, action, at=at, tenant_id=tenant.id, amount=str(invoice.disputed), **facts)


def _write_invoice(stored: BilledInvoice, invoice: Invoice, reading: int, at: datetime) -> None:
    for name in ("number", "customer", "subscription", "status", "currency", "net", "total", "due", "paid", "refunded", "disputed"):
        setattr(stored, name, getattr(invoice, name))
    stored.lines = [line_as_json(line) for line in invoice.lines]
    stored.created_at, stored.due_at, stored.paid_at = invoice.created, invoice.due_at, invoice.paid_at
    stored.attempts, stored.next_attempt_at, stored.page = invoice.attempts, invoice.next_attempt, invoice.page
    stored.reading, stored.read_at = reading, at


def items_json(items: Mapping[str, Decimal]) -> dict[str, str]:
    return {key: f"{amount:.2f}" for key, amount in sorted(items.items())}


def line_as_json(line: Any) -> dict[str, Any]:
    return {
        "text": line.text,
        "amount": str(line.amount),
        "starts": line.starts.isoformat(),
        "ends": line.ends.isoformat(),
        "proration": line.proration,
    }


def overdue_since(invoices: tuple[Invoice, ...], at: datetime) -> datetime | None:
    """Since when the oldest invoice that is still owed was refused, or is past its day. One that is on its way is not overdue."""
    since = [
        invoice.due_at or invoice.created
        for invoice in invoices
        if invoice.status.owed and invoice.due > 0 and (invoice.due_at < at if invoice.due_at else invoice.attempts > 0)
    ]
    return min(since, default=None)


def look_at(row: Agreement, invoices: tuple[Invoice, ...], at: datetime) -> datetime:
    """When something is to happen at the provider by itself; events usually tell sooner."""
    moments = [row.trial_ends, row.period_ends]
    moments += [moment for invoice in invoices if invoice.status.owed for moment in (invoice.due_at, invoice.next_attempt)]
    coming = [moment + SOON for moment in moments if moment is not None]
    coming += [moment for invoice in invoices if (moment := mailing.remind_at(invoice)) is not None]
    return min([*(moment for moment in coming if moment > at), at + LONG])
