"""A date of the law passes: the tenants concerned are told before, get a new revision by themselves on the day, and nobody else notices."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from control_plane.law.dates import keep_up, stage_of
from tests.control_plane.law.conftest import COMPANY, PERSON, modules


async def test_a_law_date_is_announced_and_brought_about_by_itself(order, shown, day_comes, mails, client):
    await order("sol", tax_id=COMPANY)
    await order("luna", tax_id=PERSON)
    await order("rhein", country="DE", facts={"statutory_care": False, "has_taxable_b2b": False, "bills_privately": False})
    await day_comes("2026-11-21")
    assert await mails() == []

    await day_comes("2026-12-02")
    await day_comes("2026-12-03")
    assert await mails() == [("law_date", "Sol: la ley cambia el 1 de enero de 2027")]
    await day_comes("2026-12-25")
    await day_comes("2026-12-26")
    await day_comes("2026-12-31")
    assert await mails("sol") == [("law_date", "Sol: la ley cambia el 1 de enero de 2027")] * 2
    assert modules(await shown("sol")) == ["patients", "agenda"]

    await day_comes("2027-01-01")
    company, person, german = [await shown(slug) for slug in ("sol", "luna", "rhein")]
    assert modules(company) == ["patients", "agenda", "billing", "verifactu"]
    assert (company["state"], company["in_sync"], company["desired"]["revision"]) == ("active", True, 2)
    assert modules(person) == ["patients", "agenda"]
    assert [one["desired"]["revision"] for one in (person, german)] == [1, 1]
    assert (await mails("sol"))[-1] == ("law_today", "Sol: la ley ha cambiado hoy")
    assert await mails("luna") == []
    operations = (await client.get("/v1/tenants/sol/operations")).json()["items"]
    assert (operations[0]["kind"], operations[0]["state"], operations[0]["created_by"]) == ("change_modules", "succeeded", "platform:law")
    deeds = [deed["action"] for deed in (await client.get("/v1/tenants/sol/audit")).json()["items"]]
    assert "tenant.law_applied" in deeds

    await day_comes("2027-07-01")
    assert modules(await shown("luna")) == ["patients", "agenda", "billing", "verifactu"]
    assert [template for template, _ in await mails("luna")] == ["law_today"]


async def test_a_pass_with_nothing_due_looks_at_nobody_and_writes_nothing(order, day_comes, platform):
    await order("sol", tax_id=COMPANY)
    await day_comes("2026-11-22")

    async def versions():
        """Which transaction wrote each row last."""
        async with platform.database.transaction() as session:
            tables = ("tenant", "revision", "operation", "audit_entry", "outgoing_mail")
            return [await session.scalar(text(f"SELECT array_agg(xmin::text ORDER BY ctid) FROM {table}")) for table in tables]

    before = await versions()
    assert await keep_up(platform) == 0
    assert await versions() == before
    assert await day_comes("2026-11-23") == 0


async def test_the_day_begins_at_the_clinic_and_not_in_utc(order, platform, clock, shown):
    await order("sol", tax_id=COMPANY)
    await order("teide", tax_id=COMPANY, territory="ES-CN")
    await keep_up(platform)
    clock._now = datetime(2026, 12, 31, 22, 59, tzinfo=UTC)
    await keep_up(platform)
    assert [(await shown(slug))["desired"]["revision"] for slug in ("sol", "teide")] == [1, 1]
    clock._now = datetime(2026, 12, 31, 23, 0, tzinfo=UTC)
    await keep_up(platform)
    assert [(await shown(slug))["desired"]["revision"] for slug in ("sol", "teide")] == [2, 1]
    clock._now = datetime(2027, 1, 1, 0, 0, tzinfo=UTC)
    await keep_up(platform)
    assert [(await shown(slug))["desired"]["revision"] for slug in ("sol", "teide")] == [2, 2]


async def test_a_chosen_module_that_may_no_longer_be_used_waits_for_a_person(order, day_comes, shown, client, mails):
    await order("sol", tax_id=COMPANY, modules=["verifactu"], facts={"sii": False})
    await client.post("/v1/tenants/sol/facts", json={"facts": {"sii": True}, "valid_from": "2027-03-01"})
    await day_comes("2027-01-01")
    before = await shown("sol")
    await day_comes("2027-03-01")

    tenant = await shown("sol")
    [waiting] = (await client.get("/v1/law/attention")).json()["items"]
    assert (waiting["tenant"], waiting["code"]) == ("sol", "module_forbidden")
    assert (tenant["desired"]["revision"], tenant["state"]) == (before["desired"]["revision"], "active")
    assert (await mails("sol"))[-1][0] == "law_today"
    refused = await client.put("/v1/tenants/sol/modules", json={"modules": ["agenda"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "locked_and_forbidden")

    exported = {"facts": {"es-verifactu.records_kept_elsewhere": True}, "note": "archived by the clinic's adviser"}
    await client.post("/v1/tenants/sol/facts", json=exported)
    assert (await client.put("/v1/tenants/sol/modules", json={"modules": ["agenda"]})).status_code == 202
    await day_comes("2027-03-02")
    assert (await client.get("/v1/law/attention")).json()["items"] == []
    assert modules(await shown("sol")) == ["patients", "agenda"]


async def test_a_fiscal_module_is_not_removed_while_the_law_keeps_it(order, client, clock):
    await order("luna", tax_id=PERSON, modules=["agenda", "verifactu"])
    plan = await client.post("/v1/tenants/luna/plan", json={"modules": ["agenda"]})
    assert (plan.status_code, plan.json()["code"], plan.json()["until"]) == (409, "module_locked", "2032-12-31")
    assert "31 December of the last year it was used" in plan.json()["detail"]
    law = (await client.get("/v1/tenants/luna/compliance")).json()
    assert [(lock["module"], lock["until"]) for lock in law["locks"]] == [("verifactu", "2032-12-31")]

    told = {"es-verifactu.records_kept_elsewhere": True, "es-verifactu.last_used": "2026-11-20"}
    await client.post("/v1/tenants/luna/facts", json={"facts": told})
    plan = await client.post("/v1/tenants/luna/plan", json={"modules": ["agenda"]})
    assert plan.json()["until"] == "2026-12-31"
    clock.move_to("2027-01-01")
    assert (await client.post("/v1/tenants/luna/plan", json={"modules": ["agenda"]})).json()["remove"][0]["name"] == "verifactu"


@pytest.mark.parametrize(("left", "stage"), [(31, None), (30, 30), (8, 30), (7, 7), (1, 7), (0, None)])
def test_the_announcement_that_is_due(left, stage):
    assert stage_of(left) == stage
