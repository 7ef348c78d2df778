"""What payers by bank transfer are mailed of their invoices: issued, reminded of once, and paid."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from control_plane.billing import service
from control_plane.billing.mailing import remind_at
from control_plane.billing.states import ProviderName
from control_plane.mail.models import OutgoingMail
from control_plane.payments.values import Invoice, InvoiceStatus
from tests.support.billing import OPERATOR

NOW = datetime(2026, 12, 1, tzinfo=UTC)
INVOICE = Invoice(
    id="min_1",
    number="2026-000001",
    customer="man_1",
    subscription="msub_1",
    status=InvoiceStatus.OPEN,
    currency="EUR",
    net=Decimal("29.00"),
    total=Decimal("35.09"),
    due=Decimal("35.09"),
    paid=Decimal("0.00"),
    created=NOW,
    due_at=NOW + timedelta(days=14),
    paid_at=None,
    attempts=0,
    next_attempt=None,
    page=None,
    pay_to="DentalPin SL\nES91 2100 0418 4502 0005 1332",
)


@pytest.mark.parametrize(
    ("invoice", "expected"),
    [
        (INVOICE, NOW + timedelta(days=11)),
        (replace(INVOICE, due_at=NOW + timedelta(days=2)), NOW + timedelta(days=1)),
        (replace(INVOICE, due=Decimal(0)), None),
        (replace(INVOICE, status=InvoiceStatus.PAID), None),
        (replace(INVOICE, pay_to=None), None),
    ],
)
def test_an_open_invoice_is_reminded_of_some_days_before_its_day(invoice, expected):
    assert remind_at(invoice) == expected


async def mails(platform) -> list[OutgoingMail]:
    query = select(OutgoingMail).where(OutgoingMail.template.startswith("invoice_")).order_by(OutgoingMail.number)
    async with platform.database.transaction() as session:
        return list(await session.scalars(query))


async def test_its_payer_is_told_when_an_invoice_is_issued_before_it_is_due_and_when_it_is_paid(transfers, clock):
    sol = await transfers.tenant(modules=("agenda",))
    await transfers.agree(sol, provider=ProviderName.MANUAL, trial_days=0)
    (issued,) = await mails(transfers.platform)
    assert (issued.template, issued.to) == ("invoice_issued", sol.owner_email)
    (invoice,) = await transfers.invoices(sol)
    assert issued.subject == f"Factura {invoice.number} de Sol: 49,61 €"
    assert "ES91 2100 0418 4502 0005 1332" in issued.text
    assert invoice.page == f"http://platform.example/account/clinics/sol/invoices/{invoice.id}"
    assert invoice.page in issued.text

    await transfers.bill(sol)
    assert len(await mails(transfers.platform)) == 1, "what is read again is not told again"
    assert (await transfers.agreement(sol)).look_at == invoice.created_at + timedelta(days=11)
    clock.advance(days=11)
    for _ in range(2):
        await transfers.bill(sol)
    (_, reminder) = await mails(transfers.platform)
    assert (reminder.template, "vence el" in reminder.subject) == ("invoice_reminder", True)

    async with transfers.platform.database.transaction() as session:
        await service.record_payment(
            session,
            transfers.platform,
            sol,
            invoice.id,
            amount=invoice.total,
            received_on=date(2026, 12, 1),
            reference=invoice.number,
            actor=OPERATOR,
        )
    for _ in range(2):
        await transfers.bill(sol)
    (_, _, receipt) = await mails(transfers.platform)
    assert (receipt.template, receipt.subject) == ("invoice_paid", f"Recibo: la factura {invoice.number} de Sol está pagada")
