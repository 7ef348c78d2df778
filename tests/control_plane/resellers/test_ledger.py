"""The ledger in the database: always the commission on what was kept, each line in one statement, nothing rewritten."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from control_plane.billing.models import BilledInvoice
from control_plane.billing.states import ProviderName
from control_plane.operations.steps.base import Tools
from control_plane.payments.values import InvoiceStatus
from control_plane.resellers import ledger, statements
from control_plane.resellers.commission import commission
from control_plane.resellers.models import CommissionEntry
from control_plane.tenants.models import Tenant

TWENTY = Decimal("20.00")
FIELDS = ("paid", "refunded", "disputed")


@pytest.fixture
def tools(platform):
    return Tools(platform, platform.servers.own)


@pytest.fixture
async def stands(platform, luna):
    """Have an invoice of luna stand as said, and the ledger follow, in one transaction; how it stands then."""
    async with platform.database.transaction() as session:
        tenant_id = await session.scalar(select(Tenant.id).where(Tenant.slug == "luna"))

    async def stands(id_, *, net="100.00", total="121.00", currency="EUR", **amounts):
        now = platform.clock.now()
        async with platform.database.transaction() as session:
            row = await session.get(BilledInvoice, (ProviderName.STRIPE, id_), with_for_update=True)
            if row is None:
                row = BilledInvoice(
                    provider=ProviderName.STRIPE,
                    id=id_,
                    tenant_id=tenant_id,
                    number=id_.upper(),
                    customer="cus",
                    status=InvoiceStatus.PAID,
                    currency=currency,
                    net=Decimal(net),
                    total=Decimal(total),
                    due=Decimal(total),
                    lines=[],
                    created_at=now,
                    attempts=0,
                )
                session.add(row)
            for name in FIELDS:
                setattr(row, name, Decimal(amounts.get(name, "0.00")))
            row.reading, row.read_at = 1, now
            await session.flush()
            await ledger.derive(session, row, at=now)
            return ledger.collected(row)

    return stands


async def entries(platform):
    async with platform.database.transaction() as session:
        return list(await session.scalars(select(CommissionEntry).order_by(CommissionEntry.number)))


async def issued(tools, north):
    await statements.issue_due(tools)
    return [
        (one["month"], one["currency"], one["payable"], one["carried_out"])
        for one in (await north.ask("GET", "/statements")).json()["items"]
    ]


cents = st.integers(0, 12_100).map(lambda value: Decimal(value) / 100)
histories = st.lists(st.tuples(st.sampled_from(["in_1", "in_2", "in_3"]), cents, cents, cents), min_size=1, max_size=8)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories)
async def test_whatever_happens_to_invoices_the_ledger_is_the_commission_on_what_was_kept(platform, tools, stands, history):
    known = {}
    for id_, paid, refunded, disputed in history:
        known[id_] = await stands(id_, paid=paid, refunded=min(paid, refunded), disputed=min(paid, disputed))
        for invoice, state in known.items():
            written = [one.amount for one in await entries(platform) if one.invoice == invoice]
            assert sum(written, Decimal(0)) == commission(state, TWENTY)
    before = len(await entries(platform))
    await ledger.derive_all(tools)
    assert len(await entries(platform)) == before


async def test_a_line_is_never_changed_or_taken_away(platform, stands):
    await stands("in_1", paid="121.00")
    for statement in ("UPDATE commission_entry SET amount = 99", "DELETE FROM commission_entry"):
        with pytest.raises(IntegrityError, match="never changed or deleted"):
            async with platform.database.transaction() as session:
                await session.execute(text(statement))


async def test_other_terms_change_nothing_that_was_invoiced_before(client, platform, north, stands, clock):
    await stands("in_1", paid="121.00")
    clock.advance(days=1)
    await client.post(f"{north.path}/terms", json={"commission_percent": "50.00"})
    clock.advance(days=1)
    await stands("in_1", paid="121.00", refunded="60.50")
    await stands("in_2", paid="121.00")
    assert [(one.invoice, one.amount) for one in await entries(platform)] == [("in_1", 20), ("in_1", -10), ("in_2", 50)]


async def test_after_a_transfer_the_old_reseller_gives_back_what_was_its_and_the_new_one_earns(
    client, platform, north, south, luna, stands, clock
):
    await stands("in_1", paid="121.00")
    clock.advance(days=1)
    transfer = (await client.post("/v1/tenants/luna/transfers", json={"to": south.id}, headers=luna)).json()
    for reseller in (north, south):
        assert (await reseller.ask("POST", f"/transfers/{transfer['id']}/accept", json={})).status_code == 200
    clock.advance(days=1)
    await stands("in_1", paid="121.00", disputed="121.00")
    await stands("in_2", paid="121.00")
    found = [(str(one.reseller_id), one.invoice, one.amount) for one in await entries(platform)]
    assert found == [(north.id, "in_1", 20), (north.id, "in_1", -20), (south.id, "in_2", 10)]


async def test_statements_hold_every_line_once_and_carry_on_what_was_given_back(platform, tools, north, stands, clock):
    clock.move_to("2027-03-05")
    await stands("in_1", paid="121.00")
    clock.move_to("2027-04-05")
    await stands("in_1", paid="121.00", refunded="121.00")
    clock.move_to("2027-05-05")
    await stands("in_2", net="200.00", total="242.00", paid="242.00")
    clock.move_to("2027-06-05")

    assert await issued(tools, north) == [
        ("2027-05", "EUR", "20.00", "0.00"),
        ("2027-04", "EUR", "0.00", "-20.00"),
        ("2027-03", "EUR", "20.00", "0.00"),
    ]
    assert len(await issued(tools, north)) == 3
    balance = (await north.ask("GET", "/commission")).json()["balance"]
    assert balance == {"EUR": "40.00"}


async def test_a_statement_explains_each_line(client, platform, tools, north, stands, clock):
    clock.move_to("2027-03-05")
    async with platform.database.transaction() as session:
        await session.execute(text("UPDATE tenant SET name = '=HYPERLINK(\"x\")' WHERE slug = 'luna'"))
    await stands("in_1", paid="121.00")
    await stands("in_1", paid="121.00", refunded="12.10")
    clock.move_to("2027-04-05")
    await issued(tools, north)

    statement = (await north.ask("GET", "/statements/2027-03/EUR")).json()
    csv = (await north.ask("GET", "/statements/2027-03/EUR/csv")).text
    page = (await north.ask("GET", "/statements/2027-03/EUR/page")).text
    assert [line["amount"] for line in statement["lines"]] == ["20.00", "-2.00"]
    assert statement["payable"] == str(sum(Decimal(line["amount"]) for line in statement["lines"]))
    assert statement["lines"][1]["text"].startswith(
        'Invoice IN_1 of 5 March 2027 to =HYPERLINK("x"), refunded: -€12.10 with tax, -€10.00 without; 20.00 % of that by the terms'
    )
    assert [row.split(",")[2] for row in csv.splitlines()[1:]] == ['"\'=HYPERLINK(""x"")"'] * 2
    assert "Invoice IN_1 of 5 March 2027 to =HYPERLINK(&#34;x&#34;), refunded" in page


async def test_a_statement_is_written_in_the_language_of_the_organisation(client, tools, north, stands, clock):
    clock.move_to("2027-03-05")
    await client.post(f"{north.path}/terms", json={"commission_percent": "20.00"})
    await stands("in_1", net="1000.00", total="1210.00", paid="1210.00")
    clock.move_to("2027-04-05")
    await issued(tools, north)
    set_ = await north.ask("PUT", "/correspondence", json={"language": "es", "billing_email": "cuentas@north.example"})
    assert (set_.json()["language"], set_.json()["billing_email"]) == ("es", "cuentas@north.example")

    (line,) = (await north.ask("GET", "/statements/2027-03/EUR")).json()["lines"]
    csv = (await north.ask("GET", "/statements/2027-03/EUR/csv")).text
    page = (await north.ask("GET", "/statements/2027-03/EUR/page")).text

    assert (line["kind"], line["what"], line["amount"]) == ("paid", "pagada", "200.00")
    assert line["text"].replace("\N{NO-BREAK SPACE}", " ") == (
        "Factura IN_1 del 5 de marzo de 2027 a luna, pagada: 1.210,00 € con impuestos, 1.000,00 € sin ellos; "
        "el 20,00 % de eso según las condiciones del 5 de marzo de 2027 es 200,00 €."
    )
    header, row = csv.splitlines()
    assert header.startswith("número;fecha;clínica;factura")
    assert row.split(";")[5:9] == ["pagada", "1210,00", "1000,00", "20,00"]
    assert '<html lang="es">' in page
    assert 'A pagar</dt><dd class="payable">200,00\N{NO-BREAK SPACE}€' in page


async def test_a_statement_is_settled_once_by_an_operator(client, tools, north, stands, clock):
    clock.move_to("2027-03-05")
    await stands("in_1", paid="121.00")
    clock.move_to("2027-04-01")
    await issued(tools, north)
    path = f"{north.path}/statements/2027-03/EUR/settlement"
    by_itself = await north.ask("POST", "/statements/2027-03/EUR/settlement", json={"reference": "x"})
    paid = await client.post(path, json={"reference": "SEPA 4711"})
    again = await client.post(path, json={"reference": "SEPA 4712"})
    unknown = await north.ask("GET", "/statements/2027-13/EUR")
    assert by_itself.json()["code"] == "for_operators"
    assert (paid.json()["reference"], again.json()["code"], unknown.json()["code"]) == (
        "SEPA 4711",
        "statement_settled",
        "unknown_statement",
    )
