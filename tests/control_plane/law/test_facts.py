"""Facts over time, through the API."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.control_plane.law.conftest import COMPANY, modules


def clinic(**changes):
    return {"name": "Sol", "slug": "sol", "country": "ES", "owner_email": "ana@sol.example", "modules": ["agenda"], **changes}


def status(law, obligation):
    return next((one["status"] for one in law["obligations"] if one["id"] == obligation), None)


async def test_what_was_stated_with_the_request_can_be_asked_for_on_any_day(client):
    await client.post("/v1/tenants", json=clinic(tax_id="b-58378431", facts={"sii": False}, territory="cn"))
    facts = (await client.get("/v1/tenants/sol/facts", params={"on": "2020-01-01"})).json()
    assert (facts["territory"], facts["tax_id"], facts["facts"]) == ("ES-CN", COMPANY, {"sii": False})


async def test_a_correction_keeps_what_was_known(client, clock):
    await client.post("/v1/tenants", json=clinic(facts={"sii": False}))
    before = clock.now().isoformat()
    clock.move_to("2027-02-01")
    corrected = await client.post(
        "/v1/tenants/sol/facts", json={"facts": {"sii": True}, "valid_from": "2026-06-01", "note": "letter of the AEAT"}
    )

    assert corrected.status_code == 202, corrected.text
    assert corrected.json()["tenant"]["facts"] == {"sii": True}
    asked = {"on": "2026-12-01"}
    now = (await client.get("/v1/tenants/sol/facts", params=asked)).json()
    then = (await client.get("/v1/tenants/sol/facts", params={**asked, "known_at": before})).json()
    assert (now["facts"], then["facts"]) == ({"sii": True}, {"sii": False})
    law = [
        status((await client.get("/v1/tenants/sol/compliance", params={"on": "2027-01-01", **known})).json(), "es-verifactu")
        for known in ({}, {"known_at": before})
    ]
    assert law == ["forbidden", "required"]
    history = (await client.get("/v1/tenants/sol/facts/history", params={"limit": 2})).json()
    assert history["next"]
    newest = history["items"][0]
    assert (newest["name"], newest["value"], newest["note"]) == ("sii", True, "letter of the AEAT")
    assert (await client.get("/v1/tenants/sol/audit")).json()["items"][0]["action"] in ("tenant.facts_stated", "tenant.law_applied")


async def test_stating_the_same_again_does_nothing(client):
    await client.post("/v1/tenants", json=clinic(facts={"sii": False}))
    again = await client.post("/v1/tenants/sol/facts", json={"facts": {"sii": False}})
    assert (again.status_code, again.json()["operation"]) == (200, None)


async def test_facts_that_change_what_is_required_roll_out_at_once(client, clock):
    clock.move_to("2027-02-01")
    await client.post("/v1/tenants", json=clinic(legal_form="other"))
    answer = await client.post("/v1/tenants/sol/facts", json={"facts": {"legal_form": "corporate_tax"}})
    assert (answer.status_code, answer.json()["operation"]["kind"]) == (202, "provision")
    assert modules(answer.json()["tenant"])[-1] == "verifactu"


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"facts": {"sii": "perhaps"}}, "invalid_fact"),
        ({"facts": {"siii": True}}, "unknown_fact"),
        ({"facts": {"tax_id": "B58378432"}}, "invalid_tax_id"),
        ({"facts": {"tax_id": "B58378432"}, "valid_from": "2027-05-01"}, "invalid_tax_id"),
        ({"facts": {"country": None}}, "invalid_statement"),
        ({"facts": {"country": "XX"}}, "unknown_country"),
        ({"facts": {"sii": True}, "valid_from": "2027-05-01", "valid_until": "2027-05-01"}, "invalid_statement"),
        ({"facts": {"es-verifactu.last_used": "yesterday"}}, "invalid_statement"),
        ({"facts": {"country": "PT", "tax_id": "B58378431"}, "clinic": "porto"}, "invalid_tax_id"),
        ({"facts": {"sii": "a\x00b"}}, "invalid_statement"),
        ({"facts": {}}, "invalid_request"),
    ],
)
async def test_what_no_law_can_read_is_refused_and_writes_nothing(client, platform, told, code):
    await client.post("/v1/tenants", json=clinic())

    async def statements():
        async with platform.database.transaction() as session:
            return await session.scalar(text("SELECT count(*) FROM fact_statement"))

    before = await statements()
    answer = await client.post("/v1/tenants/sol/facts", json=told)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert await statements() == before


async def test_clinics_in_several_territories_have_the_union_of_their_rules(client, clock):
    clock.move_to("2027-02-01")
    clinics = [{"key": "girona", "name": "Girona", "territory": "ES-CT"}, {"key": "porto", "country": "PT"}]
    created = await client.post("/v1/tenants", json=clinic(tax_id=COMPANY, clinics=clinics))
    assert created.status_code == 202, created.text
    law = (await client.get("/v1/tenants/sol/compliance")).json()
    about = {one["id"]: one["clinics"] for one in law["obligations"] if one["status"] == "required"}
    assert about == {"es-verifactu": ["main", "girona"], "pt-fiscal-certified": ["porto"]}
    assert law["retention"]["clinical"]["years"] == 15
    assert law["unmet"] == ["pt-fiscal-certified"]
    shown = {one["id"]: one["clinics"] for one in (await client.get("/v1/tenants/sol")).json()["desired"]["compliance"]["obligations"]}
    assert shown["es-verifactu"] == ["main", "girona"]

    closed = await client.post("/v1/tenants/sol/facts", json={"clinic": "porto", "facts": {"country": None}})
    assert closed.status_code == 202, closed.text
    assert [one["key"] for one in (await client.get("/v1/tenants/sol/facts")).json()["clinics"]] == ["girona"]


async def test_a_conflict_between_clinics_stops_planning_until_a_person_settles_it(client, clock):
    clock.move_to("2027-02-01")
    bilbao = {"key": "bilbao", "territory": "ES-PV"}
    refused = await client.post("/v1/tenants", json=clinic(tax_id=COMPANY, clinics=[bilbao]))
    assert (refused.status_code, refused.json()["code"]) == (422, "conflicting_law")

    await client.post("/v1/tenants", json=clinic(tax_id=COMPANY))
    opened = await client.post("/v1/tenants/sol/facts", json={"clinic": "bilbao", "facts": {"country": "ES", "territory": "ES-PV"}})
    assert opened.status_code == 200, opened.text
    [waiting] = (await client.get("/v1/law/attention")).json()["items"]
    assert (waiting["code"], "bilbao" in waiting["problem"]) == ("conflicting_law", True)
    assert (await client.post("/v1/tenants/sol/plan", json={"modules": ["agenda"]})).json()["code"] == "conflicting_law"

    await client.post("/v1/tenants/sol/facts", json={"facts": {"tax_domicile": "common"}, "valid_from": "always"})
    assert (await client.get("/v1/law/attention")).json()["items"] == []
    assert (await client.post("/v1/tenants/sol/plan", json={"modules": ["agenda"]})).status_code == 200


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE fact_statement SET value = 'true'",
        "DELETE FROM fact_statement",
        "INSERT INTO fact_statement (id, tenant_id, clinic, name, known_from, stated_by)"
        " SELECT gen_random_uuid(), tenant_id, clinic, name, known_from, 'x' FROM fact_statement",
    ],
)
async def test_history_is_the_database_s_to_keep(client, platform, statement):
    await client.post("/v1/tenants", json=clinic(facts={"sii": False}))
    with pytest.raises(IntegrityError):
        async with platform.database.transaction() as session:
            await session.execute(text(statement))
