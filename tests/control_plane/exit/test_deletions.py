"""A deletion can be undone until its day; from then on a last copy is kept, and the answer says where, until when and by which law."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import update

from control_plane.tenants.models import Tenant
from control_plane.vault.errors import TenantKeyDestroyed
from tests.control_plane.exit.conftest import passes


async def test_a_deletion_closes_the_clinic_and_says_until_when(provisioned, client, worker, shown, deployer, clock, mails):
    tenant = await provisioned()
    asked = clock.now()

    first = await client.delete("/v1/tenants/sol")
    again = await client.delete("/v1/tenants/sol")
    await worker.drain()

    closed = await shown()
    assert (first.status_code, first.json()["tenant"]["state"]) == (202, "closing")
    assert again.json()["operation"]["id"] == first.json()["operation"]["id"]
    assert closed["delete_after"] == first.json()["tenant"]["delete_after"]
    assert closed["delete_after"][:10] == (asked + timedelta(days=14)).date().isoformat()
    assert [UUID(who) for who, what in deployer.log() if what == "stop"] == [UUID(tenant["id"])]
    assert deployer.told(UUID(tenant["id"]))["revision"], "nothing of the clinic is gone"
    assert (await mails())[-1][0] == "deletion_asked"
    refused = await client.put("/v1/tenants/sol/modules", json={"modules": []})
    assert refused.status_code == 409


async def test_until_its_day_a_deletion_is_undone_and_the_clinic_is_as_it_was(provisioned, client, worker, shown, clock):
    before = await provisioned()
    await client.delete("/v1/tenants/sol")
    await worker.drain()
    clock.advance(days=13, hours=23)
    await passes(worker, "deletions")
    await worker.drain()

    answer = await client.post("/v1/tenants/sol/undo-deletion")
    await worker.drain()

    after = await shown()
    assert answer.status_code == 202, answer.text
    assert (after["state"], after["delete_after"], after["final_dump"]) == ("active", None, None)
    assert after["desired"] == before["desired"]
    assert after["in_sync"]
    assert (await client.post("/v1/tenants/sol/undo-deletion")).json()["code"] == "tenant_not_closing"


async def test_when_the_day_has_passed_the_clinic_is_deleted_by_itself_and_its_last_copy_kept_for_the_law(
    provisioned, client, worker, shown, clock, mails, exports_of, databases, platform
):
    tenant = await provisioned(country="ES", territory="ES-CT")
    await client.delete("/v1/tenants/sol")
    await worker.drain()
    clock.advance(days=12, hours=1)
    await passes(worker, "deletions")
    await passes(worker, "deletions")
    reminded = [template for template, _ in await mails()]
    clock.advance(days=2)

    await passes(worker, "deletions")
    await worker.drain()

    gone = await shown()
    [copy] = await exports_of()
    until = clock.today().replace(year=clock.today().year + 15).isoformat()
    assert reminded.count("deletion_soon") == 1
    assert gone["state"] == "deleted"
    assert gone["final_dump"] == {"path": copy["where"], "until": until, "reason": copy["reason"]}
    assert (copy["kind"], copy["format"], copy["kept_until"]) == ("final", "archive", until)
    assert "Llei 21/2000 art. 12" in copy["reason"]
    template, text = (await mails())[-1]
    assert template == "deletion_done"
    assert "Llei 21/2000" in text
    assert await databases.dump(UUID(tenant["id"]), platform.settings.data / "none") is None
    assert (await client.post("/v1/tenants/sol/undo-deletion")).json()["code"] == "tenant_not_closing"


async def test_a_last_copy_goes_on_its_day_with_its_key_and_not_before(deleted, platform, worker, clock, shown, client):
    gone = await deleted()
    stored, until = gone["final_dump"]["path"], gone["final_dump"]["until"]

    clock.move_to(until)
    await passes(worker, "exits")
    kept = await platform.objects.stat(stored)
    clock.advance(days=1)
    await passes(worker, "exits")

    assert kept.size > 0
    assert await platform.objects.list(f"exports/{gone['id']}/") == []
    assert (await shown())["final_dump"] is None
    actions = [entry["action"] for entry in (await client.get("/v1/tenants/sol/audit")).json()["items"]]
    assert actions[:2] == ["tenant.final_dump_deleted", "export.removed"]


async def test_deleting_at_once_needs_the_slug_once_more_and_leaves_no_way_back(provisioned, client, worker, shown):
    await provisioned()

    missing = await client.delete("/v1/tenants/sol", params={"at_once": True})
    wrong = await client.delete("/v1/tenants/sol", params={"at_once": True, "confirm": "luna"})
    done = await client.delete("/v1/tenants/sol", params={"at_once": True, "confirm": "sol"})
    await worker.drain()

    assert [answer.json()["code"] for answer in (missing, wrong)] == ["confirmation_missing"] * 2
    assert done.status_code == 202
    assert (await shown())["state"] == "deleted"


async def test_a_closed_clinic_can_be_deleted_at_once(provisioned, client, worker, shown):
    await provisioned()
    await client.delete("/v1/tenants/sol")
    await worker.drain()

    await client.delete("/v1/tenants/sol", params={"at_once": True, "confirm": "sol"})
    await worker.drain()

    assert (await shown())["state"] == "deleted"


async def test_a_protected_clinic_is_not_deleted(provisioned, client, shown):
    await provisioned()
    await client.put("/v1/tenants/sol/deletion-protection", json={"protected": True, "reason": "the ministry's demo"})

    refused = [
        await client.delete("/v1/tenants/sol"),
        await client.delete("/v1/tenants/sol", params={"at_once": True, "confirm": "sol"}),
    ]
    still = await shown()
    await client.put("/v1/tenants/sol/deletion-protection", json={"protected": False, "reason": "demo is over"})
    lifted = await client.delete("/v1/tenants/sol")

    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(409, "tenant_protected")] * 2
    assert (still["state"], still["deletion_protected"]) == ("active", True)
    assert lifted.status_code == 202


async def test_a_clinic_whose_runtime_cannot_export_is_kept_as_a_dump(provisioned, client, worker, deployer, exports_of):
    tenant = await provisioned()
    deployer.behave(UUID(tenant["id"]), cannot_export="its environment is gone")

    await client.delete("/v1/tenants/sol", params={"at_once": True, "confirm": "sol"})
    await worker.drain()

    [copy] = await exports_of()
    assert (copy["kind"], copy["format"]) == ("final", "dump")


async def test_a_copy_of_a_clinic_goes_at_once_without_a_last_copy_and_without_a_mail(
    provisioned, client, worker, shown, platform, mails, exports_of
):
    original, copy = await provisioned(), await provisioned(slug="sol-copy")
    async with platform.database.transaction() as session:
        made = update(Tenant).where(Tenant.id == UUID(copy["id"]))
        until = {"copy_until": platform.clock.today(), "copy_taken_at": platform.clock.now()}
        await session.execute(made.values(copy_of=UUID(original["id"]), **until))

    await client.delete("/v1/tenants/sol-copy")
    await worker.drain()

    gone = await shown("sol-copy")
    assert (gone["state"], gone["final_dump"], await exports_of("sol-copy")) == ("deleted", None, [])
    assert not [template for template, _ in await mails() if template.startswith("deletion")]
    with pytest.raises(TenantKeyDestroyed):
        async with platform.database.transaction() as session:
            await platform.vault.tenant_key(session, UUID(copy["id"]))
