"""Lists in pages that neither skip nor repeat, filters, and changes that are refused when somebody was quicker."""

import pytest


@pytest.fixture
def make(client):
    async def make(*slugs, **facts):
        for slug in slugs:
            body = {"name": f"Clínica {slug}", "slug": slug, "country": "ES", "owner_email": "ana@sol.example", "modules": [], **facts}
            assert (await client.post("/v1/tenants", json=body)).status_code == 202

    return make


@pytest.fixture
def slugs(client):
    async def slugs(**filters):
        return [tenant["slug"] for tenant in (await client.get("/v1/tenants", params=filters)).json()["items"]]

    return slugs


async def test_pages_neither_skip_nor_repeat_while_tenants_come_and_go(client, make):
    await make("ana", "bea", "cid", "dia", "eva")
    first = (await client.get("/v1/tenants", params={"limit": 2})).json()
    await make("ane", "cruz")
    second = (await client.get("/v1/tenants", params={"limit": 2, "after": first["next"]})).json()
    third = (await client.get("/v1/tenants", params={"limit": 9, "after": second["next"]})).json()

    assert [one["slug"] for page in (first, second, third) for one in page["items"]] == ["ana", "bea", "cid", "cruz", "dia", "eva"]
    assert third["next"] is None


async def test_tenants_are_found_by_what_they_are(make, slugs):
    await make("sol", "luna")
    await make("mar", country="FR")
    assert await slugs(country="fr") == ["mar"]
    assert await slugs(search="CLÍNICA L") == ["luna"]
    assert await slugs(search="%") == []
    assert await slugs(state="provisioning", country="ES") == ["luna", "sol"]
    assert await slugs(state="active") == []
    assert await slugs(channel="early") == []
    assert await slugs(database_server="none") == []


async def test_operations_and_the_audit_are_cut_into_pages(client, make):
    await make("sol", "luna")
    for modules in (["agenda"], ["patients"]):
        await client.put("/v1/tenants/sol/modules", json={"modules": modules})
    path = "/v1/tenants/sol/operations"
    first = (await client.get(path, params={"limit": 2})).json()
    rest = (await client.get(path, params={"limit": 2, "after": first["next"]})).json()
    everybodys = (await client.get("/v1/operations", params={"kind": "provision", "state": "queued"})).json()["items"]
    audited = (await client.get("/v1/tenants/sol/audit", params={"action": "tenant.created"})).json()

    assert len({one["id"] for one in first["items"] + rest["items"]}) == 3
    assert rest["next"] is None
    assert [one["tenant"] for one in everybodys] == ["sol", "luna"]
    assert (len(audited["items"]), audited["next"]) == (1, None)


async def test_a_change_made_from_an_older_version_is_refused(client, make):
    await make("sol")
    tag = (await client.get("/v1/tenants/sol")).headers["etag"]
    first = await client.put("/v1/tenants/sol/modules", json={"modules": ["agenda"]}, headers={"If-Match": tag})
    lost = await client.put("/v1/tenants/sol/modules", json={"modules": ["billing"]}, headers={"If-Match": tag})
    gone = await client.delete("/v1/tenants/sol", headers={"If-Match": tag})
    again = await client.put("/v1/tenants/sol/modules", json={"modules": ["billing"]}, headers={"If-Match": first.headers["etag"]})
    anyway = await client.put("/v1/tenants/sol/modules", json={"modules": ["agenda"]}, headers={"If-Match": f'"x", *, {tag}'})

    assert (first.status_code, lost.status_code, gone.status_code, again.status_code, anyway.status_code) == (202, 412, 412, 202, 202)
    assert (lost.json()["code"], lost.json()["etag"]) == ("changed_since", first.headers["etag"])
    assert "agenda" in {module["name"] for module in first.json()["tenant"]["desired"]["modules"]}


async def test_a_state_that_moves_by_itself_refuses_nobody(client, make, platform):
    from sqlalchemy import text

    await make("sol")
    tag = (await client.get("/v1/tenants/sol")).headers["etag"]
    async with platform.database.transaction() as session:
        await session.execute(text("UPDATE tenant SET state = 'active', state_deadline = NULL, url = 'http://sol.example'"))
    assert (await client.get("/v1/tenants/sol")).headers["etag"] == tag
