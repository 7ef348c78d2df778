"""Billing over HTTP, as a program of an operator's uses it: from agreeing to paying, refunding and ending; by card and by bank transfer."""

import pytest

from control_plane.access.scopes import ALL
from control_plane.access.service import create_key
from control_plane.tenants import service as tenants
from tests.support.platform import api_of

SOL = "/v1/tenants/sol/billing"


@pytest.fixture
async def api(billing):
    async with api_of(billing.platform) as client:
        yield client


@pytest.fixture
def ask(api, billing):
    """`await ask("POST", "/sync")` of the clinic sol's billing; what follows is carried out. Unless said otherwise it must be accepted."""

    async def ask(method, path="", *, expects=None, **body):
        answer = await api.request(method, f"{SOL}{path}", json=body or None)
        assert answer.is_success if expects is None else answer.status_code == expects, answer.text
        await billing.worker.drain()
        return answer.json()

    return ask


async def clinic(billing):
    async with billing.platform.database.transaction() as session:
        return await tenants.find(session, "sol")


def refused(answer):
    return answer["status"], answer["code"]


async def test_a_bill_paid_by_card_from_the_agreement_to_its_end(billing, ask):
    await billing.tenant("sol", modules=("agenda",))
    assert refused(await ask("GET", expects=404)) == (404, "no_agreement")
    agreed = await ask("PUT", plan="solo", trial_days=7)
    assert (agreed["billing"]["status"], agreed["billing"]["quote"]["total"], agreed["billing"]["demonstration"]) == ("new", "41.00", True)
    assert (await ask("GET"))["status"] == "trialing"
    assert refused(await ask("PUT", expects=409, plan="solo")) == (409, "billing_agreed")
    assert (await ask("POST", "/portal", back="/account"))["url"].startswith("http")
    assert refused(await ask("POST", "/checkout", expects=409, back="/account")) == (409, "no_payment_page")
    assert (await ask("POST", "/portal", expects=422, back="//evil.example/"))["code"] == "invalid_request"

    shown = await ask("POST", "/preview", plan="practice", modules=["agenda", "inventory"])
    assert (shown["before"]["total"], shown["after"]["total"], shown["now"]) == ("41.00", "68.00", "0.00")
    how = {"at": shown["at"], "confirmation": shown["confirmation"], "modules": ["agenda", "inventory"]}
    assert refused(await ask("POST", "/change", expects=409, plan="group", **how)) == (409, "preview_outdated")
    changed = await ask("POST", "/change", plan="practice", **how)
    assert (changed["operation"]["kind"], changed["modules"]["kind"]) == ("bill", "change_modules")
    assert (await ask("GET"))["plan"] == "practice"

    sol = await clinic(billing)
    await billing.card(sol, "pm_card_chargeCustomerFail")
    billing.move(days=8)
    await ask("POST", "/sync")
    (owed, *_) = (await ask("GET", "/invoices"))["items"]
    assert ((await ask("GET"))["overdue_since"], owed["due"], owed["status"]) == (owed["created_at"], "68.00", "open")
    declined = await ask("POST", f"/invoices/{owed['id']}/pay", expects=402)
    assert declined["code"] == "payment_declined"
    await billing.card(sol)
    await ask("POST", f"/invoices/{owed['id']}/pay")
    await ask("POST", "/sync")
    assert refused(await ask("POST", f"/invoices/{owed['id']}/pay", expects=409)) == (409, "invoice_not_owed")
    assert refused(await ask("POST", "/invoices/in_other/pay", expects=404)) == (404, "unknown_invoice")

    back = {"amount": "8.00", "reason": "a day without service"}
    await ask("POST", f"/invoices/{owed['id']}/refunds", **back)
    await ask("POST", "/sync")
    (paid,) = [one for one in (await ask("GET", "/invoices"))["items"] if one["id"] == owed["id"]]
    assert (paid["paid"], paid["refunded"], paid["due"]) == ("68.00", "8.00", "0.00")
    too_much = await ask("POST", f"/invoices/{owed['id']}/refunds", expects=422, amount="60.01", reason="all of it")
    assert (too_much["code"], "60.00 EUR" in too_much["detail"]) == ("refund_too_much", True)
    by_hand = {"amount": "1.00", "received_on": "2026-12-01", "reference": "SOL"}
    assert refused(await ask("POST", f"/invoices/{owed['id']}/payments", expects=409, **by_hand)) == (409, "no_payment_page")

    await ask("POST", "/end", reason="retired")
    ending = await ask("GET")
    assert (ending["cancels_at_period_end"], ending["next_payment_at"]) == (True, None)
    await ask("POST", "/keep")
    assert (await ask("GET"))["next_payment_at"] is not None
    await ask("POST", "/end", reason="retired after all")
    billing.move(days=32)
    await ask("POST", "/sync")
    assert (await ask("GET"))["status"] == "canceled"
    assert refused(await ask("POST", "/preview", expects=409, plan="solo")) == (409, "subscription_over")
    assert (await ask("PUT", plan="solo"))["billing"]["status"] == "new"


async def test_a_bill_paid_by_bank_transfer_goes_the_same_way(billing, ask):
    await billing.tenant("sol")
    await ask("PUT", plan="solo", provider="manual", trial_days=0)
    (invoice,) = (await ask("GET", "/invoices"))["items"]
    assert (invoice["net"], invoice["total"], invoice["due"], invoice["provider"]) == ("29.00", "35.09", "35.09", "manual")
    assert ((await ask("GET"))["status"], (await ask("GET"))["has_method"]) == ("active", True)
    for page in ("/portal", "/checkout"):
        assert refused(await ask("POST", page, expects=409, back="/")) == (409, "no_payment_page")
    assert refused(await ask("POST", f"/invoices/{invoice['id']}/pay", expects=409)) == (409, "no_payment_page")

    billing.move(days=15)
    await billing.worker.run_passes("billing")
    await billing.worker.drain()
    late = await ask("GET")
    assert (late["status"], late["overdue_since"]) == ("past_due", invoice["due_at"])

    transfer = {"amount": "20.00", "received_on": "2026-12-10", "reference": "SOL 1"}
    for _ in range(2):
        await ask("POST", f"/invoices/{invoice['id']}/payments", **transfer)
    await ask("POST", "/sync")
    (half,) = (await ask("GET", "/invoices"))["items"]
    assert (half["paid"], half["due"], half["status"]) == ("20.00", "15.09", "open")
    await ask("POST", f"/invoices/{invoice['id']}/payments", amount="15.09", received_on="2026-12-11", reference="SOL 2")
    await billing.worker.run_passes("billing")
    await billing.worker.drain()
    assert ((await ask("GET"))["status"], (await ask("GET"))["overdue_since"]) == ("active", None)

    billing.move(days=20)
    await ask("POST", "/sync")
    first, second = sorted((await ask("GET", "/invoices"))["items"], key=lambda one: one["number"])
    assert (second["status"], int(second["number"][-6:]) - int(first["number"][-6:])) == ("open", 1)


async def test_other_prices_and_invoices_by_hand_are_the_operators_to_give(billing, ask, api):
    await billing.tenant("sol")
    async with billing.platform.database.transaction() as session:
        _, key = await create_key(session, "a clerk", at=billing.platform.clock.now(), scopes=ALL - {"payments:write"})
    mighty, api.headers["Authorization"] = api.headers["Authorization"], f"Bearer {key}"
    for special in ({"prices": {"plan.solo": "1.00"}}, {"provider": "manual"}):
        answer = await ask("PUT", expects=403, plan="solo", **special)
        assert (answer["code"], answer["scope"]) == ("scope_needed", "payments:write")
    assert refused(await ask("POST", "/invoices/in_1/refunds", expects=403, amount="1.00", reason="x")) == (403, "scope_needed")

    api.headers["Authorization"] = mighty
    agreed = await ask("PUT", plan="solo", prices={"plan.solo": "19.00"})
    assert agreed["billing"]["quote"]["total"] == "19.00"
    assert (await billing.agreement(await clinic(billing))).items == {"plan.solo": "19.00"}


async def test_operators_see_the_providers_and_what_they_told(billing, ask, api):
    before = (await api.get("/v1/payments/providers")).json()["items"]
    await billing.tenant("sol")
    await ask("PUT", plan="solo")
    after = (await api.get("/v1/payments/providers")).json()["items"]
    assert {one["name"]: one["account"] for one in before} == {"stripe": None, "manual": None}
    account = billing.v1.accounts.retrieve_current().id
    assert {one["name"]: (one["account"], one["demonstration"]) for one in after} == {"stripe": (account, True), "manual": (None, False)}

    await billing.worker.run_passes("billing_reconcile")
    told = (await api.get("/v1/payments/events", params={"limit": 50})).json()["items"]
    assert {one["id"] for one in told} == {event["id"] for event in billing.provider.double.account(billing.key).book.all("event")}
    assert "customer.subscription.created" in [one["kind"] for one in told]
