"""Invoices for bank transfers, as they are seen and printed: everything an invoice has to say, as it was when it was issued."""

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from control_plane.billing import service
from control_plane.billing.states import ProviderName
from control_plane.payments.connected import Payments
from control_plane.tenants import service as tenants
from tests.control_plane.account_pages.test_entering import clinic, enter
from tests.support.billing import OPERATOR
from tests.support.platform import api_of


@pytest.fixture
async def invoice(transfers):
    sol = await transfers.tenant(modules=("agenda",), tax_id="B12345674")
    await transfers.agree(sol, provider=ProviderName.MANUAL, trial_days=0)
    return (await transfers.invoices(sol))[0]


def words(html: str) -> str:
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL).split())


async def test_the_owner_prints_an_invoice_that_says_who_what_how_much_until_when_and_where_to(transfers, invoice):
    async with api_of(transfers.platform) as site:
        key = site.headers.pop("Authorization")
        site.headers["Accept"] = "text/html"
        await enter(site, transfers.platform, "owner@clinic.example")
        listed = await site.get("/account/clinics/sol/invoices")
        address = f"/account/clinics/sol/invoices/{invoice.id}"
        assert f'href="{address}"' in listed.text
        assert "Sol" in (await site.get("/account/clinics/sol")).text
        said = words((await site.get(address)).text)
        for part in (
            f"Invoice {invoice.number}",
            "From DentalPin SL Calle Mayor 1, 28013 Madrid",
            "To Sol Tax id B12345674 ES",
            "Individual",
            "Agenda",
            "Net €41.00 Tax, 21 % €8.61 Total €49.61 To be paid €49.61",
            "ES91 2100 0418 4502 0005 1332",
            f"Reference: {invoice.number}",
        ):
            assert part in said, (part, said)
        spanish = words((await site.get(address, headers={"Accept-Language": "es"})).text)
        assert "Base imponible 41,00 € Impuestos, 21 % 8,61 € Total 49,61 €" in spanish

        await clinic(transfers.platform, "luna", "eva@luna.example")
        assert (await site.get(f"/account/clinics/luna/invoices/{invoice.id}")).status_code == 404
        await enter(site, transfers.platform, "eva@luna.example")
        assert (await site.get(address)).status_code == 404
        assert (await site.get(f"/account/clinics/luna/invoices/{invoice.id}")).status_code == 404

        site.cookies.clear()
        page = await site.get(f"/v1/tenants/sol/billing/invoices/{invoice.id}/page", headers={"Authorization": key})
        assert (page.status_code, page.headers["content-type"], "To be paid €49.61" in words(page.text)) == (
            200,
            "text/html; charset=utf-8",
            True,
        )


async def test_an_invoice_goes_on_saying_what_it_said_when_it_was_issued_and_that_it_is_paid(transfers, invoice):
    later = transfers.platform.settings.model_copy(
        update={"bank_account": "Another bank", "invoice_issuer": "Another company", "invoice_tax_percent": Decimal(10)}
    )
    moved = replace(
        transfers.platform, settings=later, payments=Payments.build(later, transfers.platform.database, transfers.platform.clock.now)
    )
    async with moved.database.transaction() as session:
        tenant = await tenants.find(session, "sol")
        paid = {"amount": invoice.total, "received_on": date(2026, 12, 1), "reference": invoice.number}
        await service.record_payment(session, moved, tenant, invoice.id, **paid, actor=OPERATOR)
    async with api_of(moved) as client:
        said = words((await client.get(f"/v1/tenants/sol/billing/invoices/{invoice.id}/page")).text)
    assert "Paid on" in said
    assert "DentalPin SL" in said
    assert "Tax, 21 %" in said
    assert "Paid by transfer -€49.61 To be paid €0.00" in said
    assert "Please transfer" not in said


async def test_an_invoice_of_a_card_is_its_provider_s(billing):
    sol = await billing.trial("sol")
    await billing.card(sol)
    billing.move(days=31)
    await billing.bill(sol)
    made, *_ = await billing.invoices(sol)
    async with api_of(billing.platform) as client:
        elsewhere = await client.get(f"/v1/tenants/sol/billing/invoices/{made.id}/page")
        unknown = await client.get("/v1/tenants/sol/billing/invoices/in_1/page")
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "invoice_elsewhere")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_invoice")
