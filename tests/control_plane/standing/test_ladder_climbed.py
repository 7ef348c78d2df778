"""The ladder as a clinic meets it: each rung announced a week before, one at a time, down at once when paid, never for the wrong reason."""

from datetime import timedelta

from control_plane.access.models import Reseller
from control_plane.billing.states import AgreementStatus, Begins, PayerKind
from control_plane.languages import day as in_words
from control_plane.tenants.models import ObservedTenant


async def test_a_plans_limits_reach_the_runtime_and_change_with_the_plan(sol):
    assert sol.told()["limits"] == {"plan": "Individual", "clinics": 1, "users": 5, "storage_gb": 20}
    assert (sol.told()["mode"], "payments" in sol.told()) == ("normal", False)

    await sol.agreement(plan="group")
    await sol.look()

    assert sol.told()["limits"] == {"plan": "Grupo", "storage_gb": 500}
    assert (await sol.standing())["limits"]["plan"] == "Grupo"


async def test_every_rung_is_announced_a_week_before_and_taken_on_its_day(sol):
    await sol.owes()
    await sol.look()
    for days, before, after in ((14, "banner", "no_new_modules"), (16, "no_new_modules", "read_only"), (30, "read_only", "export_only")):
        await sol.days_pass(days - 1)
        assert (await sol.standing())["state"] == before
        await sol.days_pass(1)
        assert (await sol.standing())["state"] == after

    mails = await sol.mails()
    assert [mail.template for mail in mails] == ["payment_taken", *(["payment_ahead", "payment_taken"] * 3)]
    for ahead, taken in zip(mails[1::2], mails[2::2], strict=True):
        assert taken.created_at - ahead.created_at == timedelta(days=7)
    assert (sol.told()["mode"], sol.told()["payments"]["state"]) == ("export_only", "export_only")
    assert (await sol.shown())["state"] == "active"


async def test_people_are_told_why_what_comes_and_where_to_pay_and_no_amount(sol):
    await sol.owes()
    await sol.look()
    assert sol.told()["payments"] == {
        "state": "banner",
        "why": "unpaid",
        "next": None,
        "next_on": None,
        "pay_at": "http://platform.example/account",
    }
    day = (sol.clock.now() + timedelta(days=14)).date()

    await sol.days_pass(7)

    part = sol.told()["payments"]
    assert (part["next"], part["next_on"]) == ("no_new_modules", day.isoformat())
    ahead = (await sol.mails())[-1]
    assert ahead.subject == f"Sol: qué ocurre el {in_words(day, 'es')} si no se resuelve"
    assert "http://platform.example/account" in ahead.text
    assert "€" not in ahead.text
    assert "EUR" not in ahead.text


async def test_paying_leads_back_at_once_and_once(sol):
    await sol.owes()
    await sol.look()
    await sol.days_pass(31)
    assert sol.told()["mode"] == "read_only"

    await sol.pays()
    await sol.look()

    assert (sol.told()["mode"], "payments" in sol.told()) == ("normal", False)
    standing = await sol.standing()
    assert (standing["state"], standing["why"], standing["next"]) == ("none", None, None)
    assert (await sol.subjects())[-1] == "payment_settled"
    count, revision = len(await sol.mails()), sol.told()["generation"]
    await sol.days_pass(3)
    assert (len(await sol.mails()), sol.told()["generation"]) == (count, revision)


async def test_a_platform_that_was_away_for_months_announces_before_it_takes_anything(sol):
    await sol.owes()
    sol.clock.advance(days=100)

    await sol.look()

    assert (await sol.standing())["state"] == "banner"
    assert await sol.subjects() == ["payment_taken", "payment_ahead"]
    await sol.days_pass(6)
    assert (await sol.standing())["state"] == "banner"
    await sol.days_pass(1)
    assert (await sol.standing())["state"] == "no_new_modules"


async def test_who_pays_the_older_invoice_stands_where_the_younger_one_leads(sol):
    await sol.owes()
    await sol.look()
    await sol.days_pass(31)

    await sol.agreement(overdue_since=sol.clock.now() - timedelta(days=2))
    await sol.look()

    assert ((await sol.standing())["state"], sol.told()["mode"]) == ("banner", "normal")


async def test_a_trial_that_ended_climbs_and_is_never_called_a_debt(sol):
    now = sol.clock.now()
    await sol.agreement(status=AgreementStatus.PAUSED, trial_ends=now)

    await sol.look()
    await sol.days_pass(31)

    assert ((await sol.standing())["state"], (await sol.standing())["why"]) == ("read_only", "trial_over")
    assert sol.told()["payments"]["why"] == "trial_over"
    assert all("No se debe nada" in mail.text for mail in await sol.mails())


async def test_who_owes_nothing_climbs_nothing(sol):
    for status in (AgreementStatus.NEW, AgreementStatus.INCOMPLETE, AgreementStatus.TRIALING, AgreementStatus.ACTIVE):
        await sol.agreement(status=status)
        sol.clock.advance(days=200)
        await sol.look()

        assert ((await sol.standing())["state"], await sol.subjects(), sol.told()["mode"]) == ("none", [], "normal")


async def test_a_runtime_under_way_to_something_else_follows_when_it_is_at_rest(sol, platform, deployer):
    """An upgrade that may still go back keeps the runtime as it is; the rung is taken on its day all the same."""
    await sol.owes()
    await sol.look()
    await sol.days_pass(29)
    assert (await sol.client.post("/v1/tenants/sol/backups")).status_code == 202
    await sol.worker.drain()
    (backup,) = (await sol.client.get("/v1/tenants/sol/backups")).json()["items"]
    restore = await sol.client.post(f"/v1/tenants/sol/backups/{backup['id']}/restore")
    assert restore.status_code == 202, restore.text
    sol.clock.advance(days=1)
    await sol.worker.run_passes("standing")

    standing = await sol.standing()
    assert (standing["state"], sol.told()["mode"]) == ("read_only", "normal")
    assert standing["waits"] == "The clinic is restoring."

    await sol.worker.drain()
    sol.clock.advance(minutes=2)
    await sol.look()
    assert (sol.told()["mode"], (await sol.standing())["waits"]) == ("read_only", None)


async def test_a_clinic_nobody_agreed_for_has_neither_limits_nor_a_ladder(client, platform, worker, databases):
    body = {"name": "Luna", "slug": "luna", "country": "ES", "owner_email": "ana@luna.example", "modules": []}
    made = (await client.post("/v1/tenants", json=body)).json()["tenant"]
    await worker.drain()
    await worker.run_passes("standing")

    standing = (await client.get("/v1/tenants/luna/standing")).json()

    assert (standing["state"], standing["limits"], standing["mode"]) == ("none", {}, "normal")
    assert made["desired"]["mode"] == "normal"


async def test_a_smaller_plan_is_refused_for_what_is_in_use(sol, platform):
    async with platform.database.transaction() as session:
        seen = await session.get_one(ObservedTenant, sol.id, with_for_update=True)
        seen.attestation = {**seen.attestation, "usage": {"clinics": 2, "users": 5, "storage_bytes": 20_000_000_001}}
    await sol.agreement(plan="group")

    refused = await sol.client.post("/v1/tenants/sol/billing/preview", json={"plan": "solo"})

    assert (refused.status_code, refused.json()["code"]) == (409, "plan_limit_exceeded")
    assert refused.json()["over"] == {"clinics": {"present": 2, "limit": 1}, "storage_gb": {"present": 21, "limit": 20}}
    assert (await sol.standing())["usage"]["users"] == 5


async def test_who_agreed_and_never_subscribed_climbs_as_one_whose_trial_is_over(sol):
    now = sol.clock.now()
    await sol.agreement(status=AgreementStatus.NEW, begins=Begins.CHECKOUT, agreed_at=now, trial_ends=now + timedelta(days=10))
    await sol.look()
    await sol.days_pass(9)
    assert (await sol.standing())["state"] == "none"

    await sol.days_pass(1)
    assert ((await sol.standing())["state"], (await sol.standing())["why"]) == ("banner", "trial_over")
    await sol.days_pass(30)
    assert sol.told()["mode"] == "read_only"

    await sol.pays()
    await sol.look()
    assert ((await sol.standing())["state"], sol.told()["mode"]) == ("none", "normal")


async def test_who_agrees_anew_has_three_days_for_the_card(sol):
    await sol.agreement(status=AgreementStatus.NEW, begins=Begins.CHECKOUT, agreed_at=sol.clock.now(), trial_ends=None)
    await sol.look()
    await sol.days_pass(2)
    assert (await sol.standing())["state"] == "none"
    await sol.days_pass(1)
    assert ((await sol.standing())["state"], (await sol.standing())["why"]) == ("banner", "ended")


async def test_a_reseller_that_pays_is_told_of_each_rung_as_the_owner_is_and_in_its_language(sol):
    async with sol.platform.database.transaction() as session:
        reseller = Reseller(
            name="Dientes", slug="dientes", billing_email="facturas@dientes.example", language="en", created_at=sol.clock.now()
        )
        session.add(reseller)
        await session.flush()
        reseller_id = reseller.id
    await sol.agreement(payer=PayerKind.RESELLER, reseller_id=reseller_id)

    await sol.owes()
    await sol.look()
    await sol.days_pass(7)

    mails = await sol.mails()
    told = [(mail.template, mail.to) for mail in mails]
    both = ["ana@sol.example", "facturas@dientes.example"]
    assert told == [(template, reader) for template in ("payment_taken", "payment_ahead") for reader in both]
    assert mails[-1].subject.startswith("Sol: what happens on")
    assert "http://platform.example/reseller" in mails[-1].text
