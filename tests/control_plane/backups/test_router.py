"""Backups, restores and copies through the API, with a real database server and a deployer that runs nothing."""

from uuid import UUID

import pytest
from sqlalchemy import select

from control_plane.backups.models import Backup
from control_plane.databases.names import app_role, database_name, owner_role
from tests.support.postgres import fetch_value, run_sql


async def finished(client, worker, answer):
    assert answer.status_code == 202, answer.text
    await worker.drain()
    body = answer.json()
    return (await client.get(f"/v1/operations/{body.get('operation', body)['id']}")).json()


async def test_a_backup_says_what_it_holds_and_is_unreadable_where_it_lies(client, clinic, backed_up, platform):
    backup = await backed_up()

    assert (backup["state"], backup["cause"], backup["modules"]) == ("ready", "asked", ["agenda"])
    assert (backup["tables"], backup["rows"], backup["migrations"]) == (2, 51, ["0006"])
    stored = await platform.objects.list(f"backups/{clinic['id']}/")
    assert [one.key.rsplit("/", 1)[1] for one in stored] == ["database", "files"]
    for part in ("database", "files"):
        sealed = await client.get(f"/v1/tenants/sol/backups/{backup['id']}/{part}")
        assert sealed.status_code == 200
        assert sealed.content.startswith(b"DPB1")
        for plain in (b"PGDMP", "Ñuño".encode(), b"files of"):
            assert plain not in sealed.content
    listed = (await client.get("/v1/tenants/sol/backups")).json()
    assert [one["id"] for one in listed["items"]] == [backup["id"]]


async def test_a_restore_puts_database_files_and_modules_back_and_keeps_what_was_there(
    client, clinic, backed_up, worker, sql, deployer, shown
):
    backup = await backed_up()
    await sql(clinic, "DELETE FROM patient WHERE id > 10")
    deployer._write(UUID(clinic["id"]), files="written since")
    assert (await client.put("/v1/tenants/sol/modules", json={"modules": ["agenda", "inventory"]})).status_code == 202
    await worker.drain()
    before = await shown()

    operation = await finished(client, worker, await client.post(f"/v1/tenants/sol/backups/{backup['id']}/restore"))

    assert operation["state"] == "succeeded", operation
    assert await sql(clinic, "SELECT count(*) FROM patient") == 50
    after = await shown()
    assert (after["state"], after["chosen"]) == ("active", ["agenda"])
    assert after["desired"]["revision"] == after["observed"]["revision"] == before["desired"]["revision"] + 1
    assert deployer.told(UUID(clinic["id"]))["files"] == f"files of {clinic['id']}"
    kept = (await client.get(f"/v1/tenants/sol/backups/{operation['result']['backup']}")).json()
    assert (kept["cause"], kept["rows"], kept["keep_because"]) == ("before_restore", 11, "the state before a restore")
    back = await finished(client, worker, await client.post(f"/v1/tenants/sol/backups/{kept['id']}/restore"))
    assert back["state"] == "succeeded", back
    assert await sql(clinic, "SELECT count(*) FROM patient") == 10
    assert (await shown())["chosen"] == ["agenda", "inventory"]


async def test_a_copy_is_a_clinic_of_its_own_that_says_so_and_is_deleted_when_its_days_are_over(
    client, clinic, backed_up, worker, sql, deployer, shown, clock, tools, databases
):
    from control_plane.backups.passes import tidy

    backup = await backed_up()
    await sql(clinic, "DELETE FROM patient")

    answer = await client.post(f"/v1/tenants/sol/backups/{backup['id']}/copy", json={"days": 3})
    operation = await finished(client, worker, answer)

    assert operation["state"] == "succeeded", operation
    copy = await shown("sol-copy")
    assert (copy["state"], copy["chosen"]) == ("active", ["agenda"])
    assert await sql(copy, "SELECT count(*) FROM patient") == 50
    revision = deployer.told(UUID(copy["id"]))["revision"]
    assert revision["isolated"]["tenant_id"] == clinic["id"]
    assert revision["isolated"]["of"] == "sol"
    assert revision["generation"] > backup["revision"]
    assert "isolated" not in deployer.told(UUID(clinic["id"]))["revision"]
    again = await client.put("/v1/tenants/sol-copy/modules", json={"modules": ["patients"]})
    assert again.status_code == 202
    await worker.drain()
    assert deployer.told(UUID(copy["id"]))["revision"]["isolated"]["of"] == "sol"
    refused = await client.put("/v1/tenants/sol-copy/backup-schedule", json={"every_hours": 1})
    assert refused.json()["code"] == "copy_of_copy"
    clock.advance(days=5)
    await tidy(tools)
    await worker.drain()
    assert (await shown("sol-copy"))["state"] == "deleted"
    assert (await shown())["state"] == "active"


@pytest.mark.parametrize("roles_too", [False, True], ids=["the database", "the server"])
async def test_a_clinic_whose_database_is_lost_is_restored_all_the_same(
    client, clinic, backed_up, worker, databases, postgres, sql, shown, roles_too
):
    backup = await backed_up()
    tenant_id = UUID(clinic["id"])
    if roles_too:
        await databases.drop(tenant_id)
    else:
        run_sql(postgres.superuser_url, f"DROP DATABASE {database_name(tenant_id)}")
    nothing = await finished(client, worker, await client.post("/v1/tenants/sol/backups"))

    operation = await finished(client, worker, await client.post(f"/v1/tenants/sol/backups/{backup['id']}/restore"))

    assert (nothing["state"], nothing["error_code"]) == ("failed", "nothing_to_back_up")
    assert operation["state"] == "succeeded", operation
    assert await sql(clinic, "SELECT count(*) FROM patient") == 50
    roles = f"SELECT count(*) FROM pg_roles WHERE rolcanlogin AND rolname IN ('{owner_role(tenant_id)}', '{app_role(tenant_id)}')"
    assert fetch_value(postgres.superuser_url, roles) == 2
    assert (await shown())["state"] == "active"
    causes = {one["cause"]: one["state"] for one in (await client.get("/v1/tenants/sol/backups")).json()["items"]}
    assert causes["before_restore"] == "failed", "there was no last state to keep"


@pytest.mark.parametrize("part", ["database", "files"])
async def test_a_backup_somebody_altered_is_not_put_in_place(client, clinic, backed_up, worker, sql, shown, platform, part):
    backup = await backed_up()
    key = f"backups/{clinic['id']}/{backup['id']}/{part}"
    content = b"".join([piece async for piece in platform.objects.get(key)])

    async def altered():
        yield content[:-1] + bytes([content[-1] ^ 1])

    await platform.objects.put(key, altered())
    await sql(clinic, "DELETE FROM patient WHERE id > 10")

    operation = await finished(client, worker, await client.post(f"/v1/tenants/sol/backups/{backup['id']}/restore"))

    assert operation["state"] in ("failed", "rolled_back"), operation
    assert "altered" in operation["reason"]
    assert await sql(clinic, "SELECT count(*) FROM patient") == 10


async def test_refusals_name_what_to_do(client, clinic, backed_up, platform, provisioned):
    backup = await backed_up()
    nobody = f"/v1/tenants/sol/backups/{UUID(int=7)}"
    assert (await client.post(f"{nobody}/restore")).json()["code"] == "unknown_backup"
    assert (await client.post(f"{nobody}/copy", json={})).status_code == 404
    await provisioned(name="Clínica Luna", slug="luna")
    assert (await client.get(f"/v1/tenants/luna/backups/{backup['id']}")).status_code == 404
    assert (await client.post(f"/v1/tenants/luna/backups/{backup['id']}/restore")).status_code == 404
    assert (await client.put("/v1/tenants/sol/backup-schedule", json={"every_hours": 5})).json()["code"] == "every_hours_invalid"
    taken = await client.post(f"/v1/tenants/sol/backups/{backup['id']}/copy", json={"slug": "luna"})
    assert taken.json()["code"] == "slug_taken"
    assert (await client.post(f"/v1/tenants/sol/backups/{backup['id']}/restore")).status_code == 202
    twice = await client.post(f"/v1/tenants/sol/backups/{backup['id']}/restore")
    assert twice.json()["code"] == "tenant_busy"


async def test_erasing_the_tenants_key_makes_its_backups_unreadable(client, clinic, backed_up, worker, platform):
    backup = await backed_up()
    async with platform.database.transaction() as session:
        await platform.vault.destroy_tenant_key(session, UUID(clinic["id"]))

    operation = await finished(client, worker, await client.post(f"/v1/tenants/sol/backups/{backup['id']}/restore"))

    assert operation["state"] == "failed"
    assert operation["error_code"] == "tenant_key_destroyed"
    async with platform.database.transaction() as session:
        assert await session.scalar(select(Backup.database_sha256)) is not None
