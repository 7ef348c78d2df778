"""A demonstration from its opening to its erasure: whose it is, what it may not become, and that nothing is left of it."""

from uuid import UUID

import pytest

from control_plane.exit import deletions
from control_plane.exit.errors import TenantProtected
from tests.control_plane.demos.conftest import new_demo
from tests.control_plane.resellers.conftest import make_reseller


async def mails(client, template):
    return [one for one in (await client.get("/v1/mails")).json()["items"] if one["template"] == template]


async def test_it_says_what_it_is_in_its_revision_and_in_its_own_language(opened, north, deployer, shown, client):
    demo = await opened(headers=north.headers["admin"], language="en", days=10)
    tenant = await shown("muestra")

    assert (demo["state"], demo["reseller_id"], demo["language"]) == ("running", north.id, "en")
    told = deployer.told(UUID(demo["tenant_id"]))["revision"]
    assert told["demo"] == {"until": demo["ends_at"][:10], "language": "en"}
    assert told["clinic"]["locale"] == "en-ES"
    assert (tenant["state"], tenant["chosen"]) == ("active", ["agenda"])
    assert (await client.get("/v1/tenants/muestra", headers=north.headers["admin"])).status_code == 200


async def test_its_end_is_told_and_then_nothing_of_it_is_left(opened, looks, north, clock, client, databases, platform, shown):
    await client.put(f"{north.path}/correspondence", json={"language": "es"})
    demo = await opened(headers=north.headers["admin"], language="en")
    early = await looks()
    clock.advance(days=11)
    announced = await looks()
    again = await looks()
    told = await mails(client, "demo_ending")
    clock.advance(days=3)
    await looks()
    assert (await shown("muestra"))["state"] == "deleted"
    clock.advance(minutes=6)
    await looks()
    clock.advance(minutes=6)
    gone = await looks("muestra")

    assert (early["state"], announced["state"], again["state"], gone["state"]) == ("running", "announced", "announced", "erased")
    assert {one["to"]: one["subject"].split()[0] for one in told} == {"muestra@north.example": "The", "admin@north.example": "La"}
    erasures = (await client.get("/v1/tenants/muestra/erasures")).json()["items"]
    receipts = {one["system"]: one["status"] for one in erasures[0]["receipts"]}
    assert receipts["last_copy"] == "nothing"
    assert {receipts[system] for system in ("runtime", "database", "account")} == {"erased"}
    assert [one async for one in _objects(platform, demo["tenant_id"])] == []
    assert gone["erased_at"] is not None
    assert (await north.ask("GET")).json()["used"] == {"tenants": 0, "demos": 0}


async def _objects(platform, tenant_id):
    for prefix in ("backups", "exports"):
        for one in await platform.objects.list(f"{prefix}/{tenant_id}/"):
            yield one.key


async def test_it_is_extended_once_and_its_pages_say_the_new_day(opened, north, clock, looks, deployer, client, worker):
    admin = north.headers["admin"]
    demo = await opened(headers=admin, days=20)
    clock.advance(days=18)
    await looks()
    too_long = await client.post("/v1/demos/muestra/extension", json={"days": 41}, headers=admin)
    longer = await client.post("/v1/demos/muestra/extension", json={"days": 40}, headers=admin)
    await worker.drain()
    twice = await client.post("/v1/demos/muestra/extension", json={"days": 1}, headers=admin)

    assert too_long.json()["code"] == "demo_too_long"
    assert (longer.status_code, longer.json()["demo"]["state"]) == (202, "running")
    until = deployer.told(UUID(demo["tenant_id"]))["revision"]["demo"]["until"]
    assert until == longer.json()["demo"]["ends_at"][:10] != demo["ends_at"][:10]
    assert twice.json()["code"] == "demo_extended"


async def test_it_is_ended_before_its_day_also_where_it_is_protected(opened, client, looks, clock, shown):
    await opened()
    await client.put("/v1/tenants/muestra/deletion-protection", json={"protected": True, "reason": "a mistake"})
    ended = await client.delete("/v1/demos/muestra")
    over = await client.post("/v1/demos/muestra/extension", json={"days": 1})
    await looks()

    assert (ended.json()["state"], over.json()["code"]) == ("erasing", "demo_over")
    assert (await client.delete("/v1/demos/muestra")).json()["ended_at"] == ended.json()["ended_at"]
    assert (await shown("muestra"))["state"] == "deleted"


async def test_one_that_nobody_sees_to_is_stuck_and_says_what_to_do(opened, client, looks, clock):
    await opened()
    clock.advance(days=12)
    (late,) = [one for one in (await client.get("/v1/stuck")).json()["items"] if one["what"] == "demo"]
    await client.delete("/v1/demos/muestra")
    await looks()
    clock.advance(days=2)
    await looks()
    # Deleted, and its erasure begun; one look later it is over.
    (lasting,) = [one for one in (await client.get("/v1/stuck")).json()["items"] if one["what"] == "demo"]
    clock.advance(minutes=6)
    await looks()

    assert (late["state"], late["ways_out"][1]["request"]) == ("running", "DELETE /v1/demos/muestra")
    assert (lasting["state"], lasting["tenant"], lasting["runbook"]) == ("erasing", "muestra", "demo-late.md")
    assert [one for one in (await client.get("/v1/stuck")).json()["items"] if one["what"] == "demo"] == []


async def test_one_that_cannot_end_holds_up_no_other_and_says_why(opened, client, looks, clock, shown, monkeypatch):
    delete = deletions.delete

    async def refusing(session, platform, tenant, **how):
        if tenant.slug == "una":
            raise TenantProtected(tenant.slug)
        return await delete(session, platform, tenant, **how)

    monkeypatch.setattr(deletions, "delete", refusing)
    await opened("una")
    clock.advance(minutes=1)
    await opened("otra")
    clock.advance(days=15)
    refused = await looks("una")

    assert (await shown("otra"))["state"] == "deleted"
    assert ((await shown("una"))["state"], "protected" in refused["reason"]) == ("active", True)
    monkeypatch.undo()
    clock.advance(hours=1)
    await looks("una")
    assert (await shown("una"))["state"] == "deleted"


async def test_it_is_never_billed_transferred_copied_or_backed_up(opened, client, north, platform, worker, looks):
    await opened(headers=north.headers["admin"])
    refused = {
        "billing": await client.put("/v1/tenants/muestra/billing", json={"plan": "solo"}),
        "transfer": await client.post("/v1/tenants/muestra/transfers", json={"to": None}),
        "handover": await north.ask("POST", "/transfers", json={"tenant": "muestra", "to": None}),
        "copy": await client.post(f"/v1/tenants/muestra/backups/{UUID(int=1)}/copy", json={}),
    }
    assert {name: answer.json()["code"] for name, answer in refused.items()} == {
        "billing": "tenant_not_billed",
        "transfer": "tenant_not_transferable",
        "handover": "tenant_not_resellers",
        "copy": "copy_of_copy",
    }
    assert "afresh" in refused["billing"].json()["detail"]
    await looks(passes=("backups",))
    assert (await client.get("/v1/tenants/muestra/backups")).json()["items"] == []
    assert (await north.ask("GET", "/tenants")).json()["items"] == []


async def test_a_reseller_is_held_to_its_ceiling_and_to_its_modules(opened, client, platform, north):
    small = await make_reseller(client, platform, "Small", max_demos=1, modules=["agenda"])
    headers = small.headers["admin"]
    await opened("uno", headers=headers)
    second = await client.post("/v1/demos", json=new_demo("dos"), headers=headers)
    assert (second.json()["code"], second.json()["limit"]) == ("reseller_demos_exceeded", 1)
    assert (await small.ask("GET")).json()["used"] == {"tenants": 0, "demos": 1}
    await client.post(f"/v1/resellers/{small.id}/terms", json={"max_demos": None, "modules": ["agenda"]})
    beyond = await client.post("/v1/demos", json=new_demo("dos", modules=["inventory"]), headers=headers)
    assert beyond.json()["code"] == "reseller_modules_exceeded"
    assert (await client.get("/v1/tenants/dos")).status_code == 404


async def test_others_see_nothing_of_it(opened, client, north, south, luna):
    await opened(headers=north.headers["admin"])
    foreign = [await client.request(method, path, headers=south.headers["admin"], json=body) for method, path, body in _ASKED]
    looked = await client.get("/v1/demos/muestra", headers=north.headers["staff"])
    wrote = await client.delete("/v1/demos/muestra", headers=north.headers["staff"])
    named = await client.post("/v1/demos", json=new_demo("otra", reseller=south.id), headers=north.headers["admin"])

    assert [answer.json()["code"] for answer in foreign] == ["unknown_tenant"] * len(_ASKED)
    assert (await client.get("/v1/demos", headers=south.headers["admin"])).json()["items"] == []
    assert (looked.status_code, wrote.json()["code"]) == (200, "scope_needed")
    assert named.json()["code"] == "unknown_reseller"
    assert (await client.get("/v1/demos", headers=luna)).json()["code"] == "scope_needed"
    assert (await client.get("/v1/demos/luna")).json()["code"] == "unknown_demo"


_ASKED = (
    ("GET", "/v1/demos/muestra", None),
    ("POST", "/v1/demos/muestra/extension", {"days": 1}),
    ("DELETE", "/v1/demos/muestra", None),
    ("GET", "/v1/tenants/muestra", None),
)


@pytest.mark.parametrize("days", [0, 61])
async def test_it_lasts_sixty_days_at_most(client, days):
    assert (await client.post("/v1/demos", json=new_demo(days=days))).json()["code"] == "invalid_request"
