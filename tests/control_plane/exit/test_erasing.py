"""Erasure: a receipt per system, what the law asks for is kept and named, and nothing names the owner any more."""

from uuid import UUID

import pytest
from sqlalchemy import text

from control_plane.vault.errors import TenantKeyDestroyed
from tests.control_plane.account_pages.test_entering import OWN, enter
from tests.control_plane.exit.conftest import passes
from tests.support.platform import api_of, naming


def by_system(erasure):
    return {receipt["system"]: receipt for receipt in erasure["receipts" if "receipts" in erasure else "systems"]}


async def ask(client, **changes):
    return await client.post("/v1/tenants/sol/erasures", json={"confirm": "sol", "reason": "the owner asked by letter", **changes})


async def finished(client, worker, answer):
    assert answer.status_code == 202, answer.text
    await worker.drain()
    return (await client.get(f"/v1/tenants/sol/erasures/{answer.json()['id']}")).json()


async def test_everything_goes_but_what_the_law_keeps_and_each_system_has_a_receipt(deleted, client, worker, platform, shown, clock):
    gone = await deleted()
    planned = by_system((await client.get("/v1/tenants/sol/erasure-plan")).json())
    written = await platform.objects.list(f"exports/{gone['id']}/")

    erasure = await finished(client, worker, await ask(client))

    receipts = by_system(erasure)
    assert erasure["finished_at"] is not None
    assert {system: receipt["status"] for system, receipt in receipts.items()} == {
        "account": "erased",
        "audit": "kept",
        "backups": "nothing",
        "database": "erased",
        "last_copy": "kept",
        "logs": "nothing",
        "mails": "erased",
        "payment_provider": "nothing",
        "runtime": "erased",
        "stored_answers": "expires",
    }
    assert {system: receipt["status"] for system, receipt in planned.items()} == {
        system: receipt["status"] for system, receipt in receipts.items()
    }
    assert receipts["last_copy"]["until"] == gone["final_dump"]["until"]
    assert "Código de Comercio art. 30 (invoices)" in receipts["last_copy"]["law"]
    assert "Ley 41/2002 art. 17.1 (clinical)" in receipts["last_copy"]["law"]
    assert await platform.objects.list(f"exports/{gone['id']}/") == written
    after = await shown()
    assert (after["name"], after["owner_email"], after["tax_id"]) == ("(erased)", "erased@invalid", None)
    assert after["final_dump"]["until"] == gone["final_dump"]["until"]


async def test_nothing_of_the_platform_names_the_owner_afterwards_but_the_audit(deleted, client, worker, platform):
    await deleted(name="Clínica Peñíscola", owner_email="peniscola@sol.example")

    await finished(client, worker, await ask(client))

    assert await naming(platform, "peniscola", "Peñíscola") <= {"audit_entry", "idempotent_answer"}


async def test_nobody_who_worked_on_the_account_pages_is_named_afterwards_but_in_the_audit(provisioned, client, worker, platform):
    owner, helper = "peniscola@sol.example", "ayuda@sol.example"
    await provisioned(owner_email=owner, tax_id="B58378431")
    await client.post("/v1/tenants/sol/facts", json={"facts": {"sii": True}, "note": "dicho por peniscola"})
    async with api_of(platform) as site:
        site.headers.pop("Authorization")
        site.headers["Accept"] = "text/html"
        await enter(site, platform, owner)
        assert (await site.post("/account/clinics/sol/people", data={"email": helper}, headers=OWN)).status_code == 303
        assert (await site.post("/account/clinics/sol/data/export", headers=OWN)).status_code == 303
        await worker.drain()
        await client.delete("/v1/tenants/sol", params={"at_once": True, "confirm": "sol"})
        await worker.drain()
        assert {"account", "operation", "fact_statement", "outgoing_mail", "tenant_export"} <= await naming(platform, owner, "B58378431")

        await finished(client, worker, await ask(client))

        assert await naming(platform, "peniscola", helper, "B58378431") <= {"audit_entry", "idempotent_answer"}
        assert (await site.get("/account")).status_code == 401


async def test_who_has_another_clinic_here_is_known_for_that_one(provisioned, client, worker, platform):
    owner = "peniscola@sol.example"
    await provisioned(slug="luna", owner_email=owner)
    await provisioned(owner_email=owner)
    async with api_of(platform) as site:
        site.headers.pop("Authorization")
        site.headers["Accept"] = "text/html"
        await enter(site, platform, owner)
        await client.delete("/v1/tenants/sol", params={"at_once": True, "confirm": "sol"})
        await worker.drain()

        await finished(client, worker, await ask(client))

        assert (await site.get("/account")).headers["location"] == "/account/clinics/luna"


async def test_on_its_day_the_kept_copy_goes_and_its_receipt_says_so(deleted, client, worker, platform, clock):
    gone = await deleted()
    erasure = await finished(client, worker, await ask(client))
    clock.move_to(gone["final_dump"]["until"])
    clock.advance(days=1)

    await passes(worker, "exits")

    shown = (await client.get(f"/v1/tenants/sol/erasures/{erasure['id']}")).json()
    assert by_system(shown)["last_copy"]["status"] == "erased"
    with pytest.raises(TenantKeyDestroyed):
        async with platform.database.transaction() as session:
            await platform.vault.tenant_key(session, UUID(gone["id"]))


async def test_a_clinic_that_keeps_its_records_itself_must_have_them_before_the_last_copy_goes(
    deleted, client, worker, platform, exports_of, mails, link_in
):
    gone = await deleted()
    [copy] = await exports_of()

    refused = await ask(client, handed_over=True)
    await client.post(f"/v1/tenants/sol/exports/{copy['id']}/link")
    assert (await client.post(link_in((await mails())[-1][1]))).status_code == 200
    erasure = await finished(client, worker, await ask(client, handed_over=True))

    assert (refused.status_code, refused.json()["code"]) == (409, "erasure_conflicts_with_law")
    assert {term["law"] for term in refused.json()["terms"]} == {"Código de Comercio art. 30", "Ley 41/2002 art. 17.1"}
    assert by_system(erasure)["last_copy"]["status"] == "erased"
    assert await platform.objects.list(f"exports/{gone['id']}/") == []
    with pytest.raises(TenantKeyDestroyed):
        async with platform.database.transaction() as session:
            await platform.vault.tenant_key(session, UUID(gone["id"]))


async def test_only_a_deleted_clinic_is_erased_and_only_when_it_is_named(provisioned, client):
    await provisioned()

    living = await ask(client)
    unnamed = await ask(client, confirm="luna")

    assert (living.status_code, living.json()["code"]) == (409, "tenant_not_deleted")
    assert (unnamed.status_code, unnamed.json()["code"]) == (422, "confirmation_missing")


async def test_exports_and_backups_that_were_there_are_erased_and_counted(provisioned, client, worker, platform, exports_of):
    tenant = await provisioned()
    await client.post("/v1/tenants/sol/exports")
    await worker.drain()
    await client.delete("/v1/tenants/sol", params={"at_once": True, "confirm": "sol"})
    await worker.drain()
    last, _ = await exports_of()

    erasure = await finished(client, worker, await ask(client))

    receipt = by_system(erasure)["backups"]
    assert (receipt["status"], receipt["what"][:22]) == ("erased", "1 backups and exports.")
    assert [one.key for one in await platform.objects.list(f"exports/{tenant['id']}/")] == [last["where"]]


async def test_asking_twice_is_one_erasure(deleted, client, worker):
    await deleted()

    first, second = await ask(client), await ask(client)
    await worker.drain()

    assert first.json()["id"] == second.json()["id"]
    assert len((await client.get("/v1/tenants/sol/erasures")).json()["items"]) == 1


async def test_a_revision_is_changed_by_nothing_but_the_blanking(provisioned, platform):
    await provisioned()
    for change in ('document = document || \'{"mode": "read_only"}\'', "generation = generation + 1", "effect = 'sha256:0'"):
        with pytest.raises(Exception, match="never changed or deleted"):
            async with platform.database.transaction() as session:
                await session.execute(text(f"UPDATE revision SET {change}"))
