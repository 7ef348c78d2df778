"""Mails about invoices that are paid by bank transfer: when one is issued, once before it falls due, and when it is paid.

Whoever pays gets them: the clinic's owner, or the reseller. Of cards the provider tells by itself. What happens when an invoice stays
open is announced by the ladder (control_plane.standing.telling).
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.billing.models import BilledInvoice
from control_plane.mail import outbox
from control_plane.payments.values import Invoice, InvoiceStatus, Payer
from control_plane.platform import Platform
from control_plane.tenants.models import Tenant

BEFORE: Final = timedelta(days=3)
"""How long before its day an open invoice is reminded of."""


def remind_at(invoice: Invoice) -> datetime | None:
    """When to remind of it: some days before its day, and not before half of the time to pay is over. None where there is no need."""
    if invoice.pay_to is None or invoice.due_at is None or not invoice.status.owed or invoice.due <= 0:
        return None
    return max(invoice.due_at - BEFORE, invoice.created + (invoice.due_at - invoice.created) / 2)


def page_of(platform: Platform, tenant: Tenant, invoice: str) -> str:
    """Where its payer sees and prints it."""
    return f"{platform.settings.public_url.rstrip('/')}/account/clinics/{tenant.slug}/invoices/{invoice}"


async def mail(
    session: AsyncSession,
    platform: Platform,
    tenant: Tenant,
    payer: Payer,
    stored: BilledInvoice,
    invoice: Invoice,
    *,
    before: InvoiceStatus | None,
) -> None:
    """Write what a new reading of an invoice has to tell. `before`: how it stood when it was read last; None: it was not known."""
    if invoice.pay_to is None:
        return
    at = platform.clock.now()
    page = page_of(platform, tenant, invoice.id)
    if before is None:
        await outbox.send(
            session,
            key=f"invoice-{invoice.id}-issued",
            to=payer.email,
            template="invoice_issued",
            locale=payer.locale,
            at=at,
            tenant_id=tenant.id,
            clinic=tenant.name,
            number=invoice.number,
            amount=invoice.due if invoice.due > 0 else invoice.total,
            currency=invoice.currency,
            due=invoice.due_at.date() if invoice.due_at is not None and invoice.due > 0 else None,
            pay_to=invoice.pay_to.splitlines(),
            page=page,
        )
        return
    if invoice.status is InvoiceStatus.PAID and before is not InvoiceStatus.PAID:
        await outbox.send(
            session,
            key=f"invoice-{invoice.id}-paid",
            to=payer.email,
            template="invoice_paid",
            locale=payer.locale,
            at=at,
            tenant_id=tenant.id,
            clinic=tenant.name,
            number=invoice.number,
            amount=invoice.total,
            currency=invoice.currency,
            page=page,
        )
    moment = remind_at(invoice)
    if moment is not None and moment <= at and stored.reminded_at is None:
        stored.reminded_at = at
        await outbox.send(
            session,
            key=f"invoice-{invoice.id}-reminder",
            to=payer.email,
            template="invoice_reminder",
            locale=payer.locale,
            at=at,
            tenant_id=tenant.id,
            clinic=tenant.name,
            number=invoice.number,
            amount=invoice.due,
            currency=invoice.currency,
            due=(invoice.due_at or at).date(),
            pay_to=invoice.pay_to.splitlines(),
            page=page,
        )
