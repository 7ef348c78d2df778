"""/v1/tenants through its door."""

import asyncio

import pytest
from sqlalchemy import text


def clinic(**changes):
    return {"name": "Clínica Sol", "country": "ES", "owner_email": "ana@sol.example", "modules": ["agenda"], **changes}


async def counts(platform):
    async with platform.database.transaction() as session:
        tables = ("tenant", "revision", "operation", "operation_step", "tenant_lease", "audit_entry")
        return {table: await session.scalar(text(f"SELECT count(*) FROM {table}")) for table in tables}


async def test_a_new_tenant_is_answered_with_its_operation(client):
    response = await client.post("/v1/tenants", json=clinic())

    assert response.status_code == 202, response.text
    body = response.json()
    assert body["tenant"]["slug"] == "clinica-sol"
    assert body["tenant"]["state"] == "provisioning"
    assert body["tenant"]["deadline"] is not None
    assert {module["name"]: module["reason"]["kind"] for module in body["tenant"]["desired"]["modules"]} == {
        "patients": "needed_by",
        "agenda": "chosen",
    }
    assert [step["name"] for step in body["operation"]["steps"]] == ["secrets", "database", "deploy", "attest", "invite"]


async def test_what_the_law_requires_on_the_day_is_added_with_its_reason(client, clock):
    company = clinic(tax_id="B58378431")
    before = (await client.post("/v1/tenants", json=company)).json()["tenant"]["desired"]
    clock.move_to("2027-01-01")
    after = (await client.post("/v1/tenants", json=company)).json()["tenant"]["desired"]

    assert [module["name"] for module in before["modules"]] == ["patients", "agenda"]
    assert [module["name"] for module in after["modules"]] == ["patients", "agenda", "billing", "verifactu"]
    assert next(module["reason"] for module in after["modules"] if module["name"] == "verifactu")["kind"] == "required_by_law"


async def test_an_obligation_nothing_fulfils_is_shown_as_unmet(client, clock, runtime_environment):
    runtime_environment.describe({"agenda": {"version": "1.0.0"}})
    await client.post("/v1/releases/refresh")
    clock.move_to("2027-01-01")

    desired = (await client.post("/v1/tenants", json=clinic(tax_id="B58378431"))).json()["tenant"]["desired"]

    assert [module["name"] for module in desired["modules"]] == ["agenda"]
    assert [one["id"] for one in desired["compliance"]["unmet"]] == ["es-verifactu"]


async def test_the_law_of_the_day_is_shown_also_where_nobody_chose_anything_since(client, clock, runtime_environment):
    runtime_environment.describe({"agenda": {"version": "1.0.0"}})
    await client.post("/v1/releases/refresh")
    clock.move_to("2026-12-31")
    created = (await client.post("/v1/tenants", json=clinic(slug="sol"))).json()["tenant"]
    clock.move_to("2027-01-01")

    tenant = (await client.get("/v1/tenants/sol")).json()
    plan = (await client.post("/v1/tenants/sol/plan", json={"modules": ["agenda"]})).json()

    assert (created["compliance"]["on"], created["compliance"]["unmet"]) == ("2026-12-31", [])
    assert (tenant["compliance"]["on"], [one["id"] for one in tenant["compliance"]["unmet"]]) == ("2027-01-01", ["es-verifactu"])
    assert tenant["desired"]["compliance"]["on"] == "2026-12-31"
    assert [one["id"] for one in plan["compliance"]["unmet"]] == ["es-verifactu"]
    assert (await client.get("/v1/compliance/ES")).json()["unmet"] == ["es-verifactu"]


@pytest.mark.parametrize(
    ("changes", "status", "code", "says"),
    [
        ({"modules": ["agneda"]}, 422, "unknown_module", "Did you mean agenda"),
        ({"modules": ["draft"]}, 422, "module_not_installable", "draft cannot be installed"),
        ({"modules": ["future"]}, 422, "module_not_installable", "core 9.0.0"),
        ({"modules": ["on_draft"]}, 422, "dependency_conflict", "on_draft"),
        ({"modules": ["orphaned"]}, 422, "dependency_conflict", "no module vanished"),
        ({"modules": ["ring_a"]}, 422, "dependency_cycle", "ring_a → ring_b → ring_a"),
        ({"modules": ["verifactu"], "facts": {"sii": True}}, 422, "module_forbidden", "verifactu may not be used in ES"),
        ({"slug": "Sol!"}, 422, "invalid_slug", "'Sol!'"),
        ({"slug": "admin"}, 422, "invalid_slug", "keeps this word"),
        ({"slug": "ab"}, 422, "invalid_slug", "3 to 40"),
        ({"tax_id": "B58378432"}, 422, "invalid_tax_id", "check digit"),
        ({"country": "XX"}, 422, "unknown_country", "'XX'"),
        ({"territory": "XX"}, 422, "unknown_territory", "XX"),
        ({"owner_email": "nobody"}, 422, "invalid_request", "owner_email"),
        ({"name": " "}, 422, "invalid_request", "name"),
        ({"surprise": 1}, 422, "invalid_request", "surprise"),
        ({"facts": {"tax_id": "x"}}, 422, "invalid_fact", "field of its own"),
    ],
)
async def test_bad_input_is_refused_by_name_and_writes_nothing(client, platform, changes, status, code, says):
    before = await counts(platform)

    response = await client.post("/v1/tenants", json=clinic(**changes))

    assert (response.status_code, response.json().get("code")) == (status, code), response.text
    assert says in response.json()["detail"]
    assert response.headers["content-type"] == "application/problem+json"
    assert await counts(platform) == before


async def test_a_dependency_the_law_forbids_is_a_conflict_that_names_both(client, runtime_environment):
    runtime_environment.describe(
        {"verifactu": {"version": "1.0.0", "fulfils": ["es-verifactu"]}, "suite": {"version": "1.0.0", "depends": ["verifactu"]}}
    )
    await client.post("/v1/releases/refresh")

    response = await client.post("/v1/tenants", json=clinic(modules=["suite"], facts={"sii": True}))

    assert response.json()["code"] == "dependency_conflict"
    assert "suite cannot be used: it needs verifactu" in response.json()["detail"]


async def test_a_taken_slug_is_refused_and_a_taken_name_gets_the_next(client):
    await client.post("/v1/tenants", json=clinic(slug="sol"))
    taken = await client.post("/v1/tenants", json=clinic(slug="sol"))
    names = [(await client.post("/v1/tenants", json=clinic())).json()["tenant"]["slug"] for _ in range(2)]

    assert (taken.status_code, taken.json()["code"]) == (409, "slug_taken")
    assert names == ["clinica-sol", "clinica-sol-2"]


async def test_two_who_ask_for_one_name_at_once_both_get_a_slug(client):
    answers = await asyncio.gather(*(client.post("/v1/tenants", json=clinic()) for _ in range(4)))
    assert sorted(answer.json()["tenant"]["slug"] for answer in answers) == [
        "clinica-sol",
        "clinica-sol-2",
        "clinica-sol-3",
        "clinica-sol-4",
    ]


async def test_without_a_key_nothing_is_answered(client):
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic abc"}):
        for path in ("/v1/tenants", "/v1/modules", "/v1/compliance/ES", "/v1/keys"):
            response = await client.get(path, headers=headers)
            assert (response.status_code, response.json()["code"]) == (401, "not_authenticated"), path


async def test_an_unknown_tenant_is_named(client):
    response = await client.get("/v1/tenants/nowhere")
    assert (response.status_code, response.json()["code"]) == (404, "unknown_tenant")


async def test_a_plan_says_what_would_change_and_why_and_writes_nothing(client, platform):
    await client.post("/v1/tenants", json=clinic(slug="sol"))
    before = await counts(platform)

    plan = (await client.post("/v1/tenants/sol/plan", json={"modules": ["inventory"]})).json()

    assert [(one["name"], one["action"]) for one in plan["install"]] == [("inventory", "install")]
    assert [one["name"] for one in plan["keep"]] == ["patients", "agenda"]
    assert plan["keep"][1]["why"] == "Stays although it is no longer chosen. Needed by inventory."
    assert (plan["price"]["before"], plan["price"]["after"]) == ("41.00", "50.00")
    assert plan["same"] is False
    assert await counts(platform) == before


async def test_the_same_choice_again_is_200_and_no_operation(client, platform):
    await client.post("/v1/tenants", json=clinic(slug="sol"))
    changed = await client.put("/v1/tenants/sol/modules", json={"modules": ["inventory"]})
    before = await counts(platform)
    again = await client.put("/v1/tenants/sol/modules", json={"modules": ["inventory"]})

    assert changed.status_code == 202
    assert changed.json()["tenant"]["desired"]["revision"] == 2
    assert (again.status_code, again.json()["operation"]) == (200, None)
    assert await counts(platform) == before


async def test_words_without_an_effect_make_a_revision_and_no_operation(client):
    await client.post("/v1/tenants", json=clinic(slug="sol"))

    answer = await client.put("/v1/tenants/sol/modules", json={"modules": ["agenda", "patients"]})

    assert (answer.status_code, answer.json()["operation"]) == (200, None)
    desired = answer.json()["tenant"]["desired"]
    assert desired["revision"] == 2
    assert desired["modules"][0]["reason"]["text"] == "Chosen by the clinic; needed by agenda."


async def test_a_new_distribution_makes_a_release_that_the_next_choice_follows(client, runtime_environment):
    created = (await client.post("/v1/tenants", json=clinic(slug="sol"))).json()["tenant"]
    newer = {"patients": {"version": "1.0.0"}, "agenda": {"version": "1.1.0", "depends": ["patients"]}}
    runtime_environment.describe(newer)
    await client.post("/v1/releases/refresh")

    plan = (await client.post("/v1/tenants/sol/plan", json={"modules": ["agenda"]})).json()
    answer = await client.put("/v1/tenants/sol/modules", json={"modules": ["agenda"]})

    assert plan["release_changes"] is True
    assert [(one["name"], one["from_version"], one["to_version"]) for one in plan["upgrade"]] == [("agenda", "1.0.0", "1.1.0")]
    assert answer.status_code == 202
    assert answer.json()["tenant"]["desired"]["release"] != created["desired"]["release"]


async def test_tenants_are_listed_in_pages(client):
    for slug in ("luna", "mar", "sol"):
        await client.post("/v1/tenants", json=clinic(slug=slug))

    first = (await client.get("/v1/tenants", params={"limit": 2})).json()
    second = (await client.get("/v1/tenants", params={"limit": 2, "after": first["next"]})).json()

    assert [one["slug"] for one in first["items"]] == ["luna", "mar"]
    assert [one["slug"] for one in second["items"]] == ["sol"]
    assert second["next"] is None


async def test_what_cannot_be_stored_is_refused(client):
    named = await client.post("/v1/keys", json={"name": "a\x00b"})
    looked_for = await client.get("/v1/tenants/%00")
    assert (named.status_code, looked_for.status_code) == (422, 422)


async def test_who_did_what_and_what_came_of_it_can_be_read(client):
    await client.post("/v1/tenants", json=clinic(slug="sol"))
    await client.put("/v1/tenants/sol/modules", json={"modules": ["billing"]})

    deeds = (await client.get("/v1/tenants/sol/audit")).json()["items"]
    operations = (await client.get("/v1/tenants/sol/operations")).json()["items"]

    assert [deed["action"] for deed in deeds] == ["tenant.modules_changed", "tenant.created"]
    assert all(deed["actor"].startswith("operator:dpk_") for deed in deeds)
    assert [operation["state"] for operation in operations] == ["queued", "superseded"]
