"""An export goes to the clinic's owner and nobody else: one sealed object, one link, once."""

import asyncio
import io
import zipfile
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from control_plane.exit import exports
from dentalpin_kit.archives import verify_archive
from tests.control_plane.exit.conftest import passes


async def exported(client, worker):
    answer = await client.post("/v1/tenants/sol/exports")
    assert answer.status_code == 202, answer.text
    await worker.drain()
    return answer.json()["operation"]["id"]


async def test_an_export_is_signed_sealed_and_downloaded_once_by_the_mailed_link(
    provisioned, client, worker, mails, link_in, exports_of, platform, tmp_path
):
    tenant = await provisioned()
    await exported(client, worker)
    [export] = await exports_of()
    template, text = (await mails())[-1]
    link = link_in(text)
    stored = b"".join([piece async for piece in platform.objects.get(export["where"])])

    looked = [await client.get(link), await client.get(link)]
    downloaded = await client.post(link)
    again = await client.post(link)

    archive = tmp_path / "export.zip"
    archive.write_bytes(downloaded.content)
    verified = verify_archive(archive, trusted=platform.key.public)
    assert template == "export_ready"
    assert [page.status_code for page in looked] == [200, 200]
    assert export["sha256"] in looked[0].text
    assert (downloaded.status_code, len(downloaded.content)) == (200, export["bytes"])
    assert verified.manifest["tenant"]["id"] == tenant["id"]
    assert b"the patients of" in zipfile.ZipFile(io.BytesIO(downloaded.content)).read("data/patients/patients.jsonl")
    assert b"patients" not in stored
    assert (again.status_code, "not valid any more" in again.text) == (404, True)
    [after] = await exports_of()
    assert after["downloaded_at"] is not None
    assert platform.key.public in text
    assert (await client.get("/v1/exports/signing-key")).json()["public_key"] == platform.key.public


async def test_of_two_who_use_a_link_at_once_one_gets_it(provisioned, client, worker, mails, link_in):
    await provisioned()
    await exported(client, worker)
    link = link_in((await mails())[-1][1])

    answers = await asyncio.gather(*(client.post(link) for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]


async def test_a_new_link_ends_the_one_before_and_each_ends_by_itself(provisioned, client, worker, mails, link_in, exports_of, clock):
    await provisioned()
    await exported(client, worker)
    [export] = await exports_of()
    first = link_in((await mails())[-1][1])

    mailed = await client.post(f"/v1/tenants/sol/exports/{export['id']}/link")
    second = link_in((await mails())[-1][1])

    assert mailed.json() == {
        "mailed_to": "ana@sol.example",
        "expires_at": (clock.now() + timedelta(days=7)).isoformat().replace("+00:00", "Z"),
    }
    assert second not in mailed.text
    assert [(await client.get(link)).status_code for link in (first, second)] == [404, 200]
    clock.advance(days=7)
    assert (await client.get(second)).status_code == 404


async def test_an_export_is_removed_after_its_days_or_when_asked(provisioned, client, worker, exports_of, platform, clock):
    tenant = await provisioned()
    await exported(client, worker)
    await exported(client, worker)
    last, first = await exports_of()

    removed = await client.delete(f"/v1/tenants/sol/exports/{first['id']}")
    gone = await client.post(f"/v1/tenants/sol/exports/{first['id']}/link")
    clock.advance(days=15)
    await passes(worker, "exits")

    assert removed.json()["removed_at"] is not None
    assert (gone.status_code, gone.json()["code"]) == (410, "export_gone")
    assert all(export["removed_at"] for export in await exports_of())
    assert await platform.objects.list(f"exports/{tenant['id']}/") == []
    assert last["kept_until"] < clock.today().isoformat()


async def test_another_clinic_s_export_does_not_exist(provisioned, client, worker, exports_of):
    await provisioned()
    await provisioned(slug="luna", owner_email="luna@luna.example")
    await exported(client, worker)
    [export] = await exports_of()

    for method, path in (("GET", ""), ("POST", "/link"), ("DELETE", "")):
        answer = await client.request(method, f"/v1/tenants/luna/exports/{export['id']}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_export")


async def test_a_closed_clinic_can_still_be_exported_and_a_deleted_one_has_its_last_copy(provisioned, client, worker, exports_of):
    await provisioned()
    await client.delete("/v1/tenants/sol")
    await worker.drain()
    await exported(client, worker)
    [export] = await exports_of()
    await client.delete("/v1/tenants/sol", params={"at_once": True, "confirm": "sol"})
    await worker.drain()
    last, _ = await exports_of()

    refused = await client.post("/v1/tenants/sol/exports")
    kept = await client.delete(f"/v1/tenants/sol/exports/{last['id']}")

    assert export["kind"] == "owner"
    assert (refused.status_code, refused.json()["code"]) == (409, "export_not_possible")
    assert (kept.status_code, kept.json()["code"]) == (409, "export_kept_by_law")


async def test_an_export_that_is_not_possible_says_why(provisioned, client, worker, deployer, operation_of):
    tenant = await provisioned()
    deployer.behave(UUID(tenant["id"]), cannot_export="agenda's tables are being migrated")

    started = await client.post("/v1/tenants/sol/exports")
    await worker.drain()

    operation = await operation_of(started.json())
    assert (operation["state"], operation["reason"]) == ("failed", "agenda's tables are being migrated")


async def test_nothing_plain_is_left_on_the_platform_s_disk(provisioned, client, worker, platform):
    await provisioned()
    await exported(client, worker)

    left = [file for file in Path(platform.settings.data).rglob("*") if file.is_file() and b"the patients of" in file.read_bytes()]
    assert left == []


async def test_a_download_that_breaks_gives_the_link_back(provisioned, client, worker, mails, link_in, platform, clock):
    await provisioned()
    await exported(client, worker)
    link = link_in((await mails())[-1][1])
    token = link.rpartition("/")[2]
    async with platform.database.transaction() as session:
        export = await exports.use_link(session, token, at=clock.now())
    pieces = exports.content(platform, export, token)
    await anext(pieces)
    taken = await client.post(link)
    await pieces.aclose()

    assert taken.status_code == 404
    assert [(await client.post(link)).status_code, (await client.post(link)).status_code] == [200, 404]
