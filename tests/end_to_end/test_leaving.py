"""A clinic leaves, on real runtimes: closed and back again, taken along to a machine of its own, deleted, and erased with receipts."""

import re
from contextlib import closing
from pathlib import Path

import httpx2

from dentalpin_kit.archives import verify_archive
from tests.support.installation import create_tenant, finished, send, sign_in, wait_for
from tests.support.runtime_process import TenantRuntime

OWNER, PASSWORD = "olga@example.com", "correct horse battery staple"
SLUG = "clinica-olga"


def patients_of(client: httpx2.Client) -> list[str]:
    answer = client.get("/api/v1/patients")
    assert answer.status_code == 200, answer.text
    return [patient["last_name"] for patient in answer.json()["data"]]


def ask(platform, method: str, path: str, **options):
    answer = send(lambda: platform.api.request(method, f"/v1/tenants/{SLUG}{path}", **options))
    assert answer.status_code in (200, 202), answer.text
    return answer.json()


def state(platform) -> str:
    return str(platform.api.get(f"/v1/tenants/{SLUG}").json()["state"])


def export_link(platform) -> str:
    """The one-time link in the mail to the owner, once it is there."""

    def mailed() -> str | None:
        for mail in (platform.data / "mail").rglob("*.eml"):
            text = mail.read_text(encoding="utf-8", errors="replace").replace("=\n", "").replace("=3D", "=")
            if OWNER in text and (found := re.search(r"https?://\S+(/exports/[\w-]{43})", text)):
                return found.group(1)
        return None

    return str(wait_for(mailed, "the owner is mailed the link"))


async def test_a_clinic_comes_back_takes_everything_along_and_is_erased(platform, tenant_database, tmp_path: Path):
    finished(platform.api, create_tenant(platform.api, name="Clínica Olga", slug=SLUG, owner_email=OWNER)["operation"])
    tenant = platform.api.get(f"/v1/tenants/{SLUG}").json()
    with closing(sign_in(platform.data, tenant["url"], OWNER, PASSWORD)) as owner:
        assert owner.post("/api/v1/patients", json={"first_name": "Ana", "last_name": "Núñez Peña"}).status_code == 201

    # Closed, and nobody gets in; undone, and everything is as it was.
    closed = ask(platform, "DELETE", "")
    finished(platform.api, closed["operation"])
    assert (state(platform), bool(closed["tenant"]["delete_after"])) == ("closing", True)
    assert httpx2.get(tenant["url"]).status_code == 503
    finished(platform.api, ask(platform, "POST", "/undo-deletion")["operation"])
    with closing(sign_in(platform.data, platform.api.get(f"/v1/tenants/{SLUG}").json()["url"], OWNER, PASSWORD)) as owner:
        assert patients_of(owner) == ["Núñez Peña"]

    # Everything in one archive, by the mailed link, once.
    finished(platform.api, ask(platform, "POST", "/exports")["operation"])
    link = export_link(platform)
    base = str(platform.api.base_url)
    downloaded, again = httpx2.post(base + link, timeout=60), httpx2.post(base + link)
    assert (downloaded.status_code, again.status_code) == (200, 404)
    archive = tmp_path / "export.zip"
    archive.write_bytes(downloaded.content)
    key = platform.api.get("/v1/exports/signing-key").json()["public_key"]
    assert verify_archive(archive, trusted=key).manifest["tenant"]["id"] == tenant["id"]

    # A runtime of its own starts from it.
    (tmp_path / "own").mkdir()
    own = TenantRuntime(tmp_path / "own", tenant_database)
    try:
        await own.command("import", str(archive), "--signed-by", key)
        await own.serve(DENTALPIN_DATA_KEY_FILE=str(own.folder / "data.key"))
        async with httpx2.AsyncClient(base_url=f"http://{own.address[0]}:{own.address[1]}", timeout=30) as person:
            signed_in = await person.post("/api/v1/auth/login", json={"email": OWNER, "password": PASSWORD})
            assert signed_in.status_code == 200, signed_in.text
            headers = {"Authorization": f"Bearer {signed_in.json()['data']['access_token']}"}
            there = (await person.get("/api/v1/patients", headers=headers)).json()["data"]
        assert [patient["last_name"] for patient in there] == ["Núñez Peña"]
    finally:
        await own.close()

    # Deleted for good, its last copy kept for the law; then erased, with a receipt per system.
    deleted = finished(platform.api, ask(platform, "DELETE", "", params={"at_once": True, "confirm": SLUG})["operation"])
    kept = deleted["result"]["final_dump"]
    assert (state(platform), kept["format"]) == ("deleted", "archive")
    assert "Código de Comercio art. 30" in kept["reason"]
    erasure = ask(platform, "POST", "/erasures", json={"confirm": SLUG, "reason": "the owner asked"})
    finished(platform.api, {"id": erasure["operation"]})
    receipts = {one["system"]: one for one in ask(platform, "GET", f"/erasures/{erasure['id']}")["receipts"]}
    erased = {system for system, one in receipts.items() if one["status"] == "erased"}
    assert erased == {"account", "backups", "database", "mails", "runtime"}
    assert (receipts["last_copy"]["status"], receipts["last_copy"]["until"]) == ("kept", kept["until"])
    assert not (platform.data / "tenants" / tenant["id"]).exists()
    assert [one.name for one in (platform.data / "objects" / "exports" / tenant["id"]).iterdir()] == [kept["path"].rsplit("/", 1)[1]]
