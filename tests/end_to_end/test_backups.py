"""On the embedded default with real runtimes: a clinic is backed up, restored in place, and copied into one that can send nothing."""

from contextlib import closing
from pathlib import Path

import httpx2

from tests.support.installation import change_modules, create_tenant, finished, send, sign_in, wait_for

SLUG, EMAIL = "clinica-rio", "rio@example.com"
PASSWORD = "correct horse battery staple"


def asked(platform, path, **body):
    answer = send(lambda: platform.api.post(path, json=body))
    assert answer.status_code == 202, answer.text
    return answer.json()


def patients(client):
    return sorted(one["last_name"] for one in client.get("/api/v1/patients").json()["data"])


def mails(platform, tenant):
    return sorted((platform.data / "tenants" / tenant["id"] / "mail").glob("*.eml"))


def serving(platform, tenant):
    """The process that serves this tenant."""
    storage = f"DENTALPIN_STORAGE={platform.data}/tenants/{tenant['id']}/storage"
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if storage in (folder / "environ").read_text().split("\0") and b"--stage" in (folder / "cmdline").read_bytes():
                return folder
        except OSError:
            continue
    raise AssertionError(f"nothing serves {tenant['slug']}")


def test_a_clinic_comes_back_as_it_was_and_its_copy_sends_nothing(platform):
    finished(platform.api, create_tenant(platform.api, name="Clínica Río", owner_email=EMAIL, modules=["agenda"])["operation"])
    tenant = platform.api.get(f"/v1/tenants/{SLUG}").json()
    document = platform.data / "tenants" / tenant["id"] / "storage" / "documents" / "x-ray.png"
    with closing(sign_in(platform.data, tenant["url"], EMAIL)) as owner:
        for name in ("Ruiz", "Sanz"):
            made = owner.post("/api/v1/patients", json={"first_name": "Ana", "last_name": name})
            assert made.status_code == 201, made.text
    document.parent.mkdir(parents=True)
    document.write_bytes(b"before")

    taken = finished(platform.api, asked(platform, f"/v1/tenants/{SLUG}/backups"))
    backup = taken["result"]["backup"]

    # What happens after it: a patient more, a document changed, a module less.
    with closing(sign_in(platform.data, tenant["url"], EMAIL)) as owner:
        assert owner.post("/api/v1/patients", json={"first_name": "Eva", "last_name": "Vega"}).status_code == 201
        assert patients(owner) == ["Ruiz", "Sanz", "Vega"]
    document.write_bytes(b"after")
    change_modules(platform.api, SLUG, "patients")

    finished(platform.api, asked(platform, f"/v1/tenants/{SLUG}/backups/{backup}/restore"))

    restored = platform.api.get(f"/v1/tenants/{SLUG}").json()
    assert (restored["state"], restored["chosen"], restored["in_sync"]) == ("active", ["agenda"], True)
    assert restored["desired"]["revision"] > tenant["desired"]["revision"] + 1
    assert document.read_bytes() == b"before"
    with closing(sign_in(platform.data, restored["url"], EMAIL)) as owner:
        assert patients(owner) == ["Ruiz", "Sanz"]
        assert owner.get("/api/v1/agenda/appointments").status_code == 200

    # The state before the restore was kept; a copy of it is a clinic of its own.
    kept = next(one for one in platform.api.get(f"/v1/tenants/{SLUG}/backups").json()["items"] if one["cause"] == "before_restore")
    finished(platform.api, asked(platform, f"/v1/tenants/{SLUG}/backups/{kept['id']}/copy", days=2)["operation"])

    copy = platform.api.get(f"/v1/tenants/{SLUG}-copy").json()
    assert (copy["state"], copy["in_sync"]) == ("active", True)
    with closing(sign_in(platform.data, copy["url"], EMAIL)) as owner:
        assert patients(owner) == ["Ruiz", "Sanz", "Vega"]
        active = owner.get("/api/v1/modules/-/active").json()["data"]
        assert active["copy_of"] == SLUG
        assert f"copy of {SLUG}" in active["banner"]
        assert "sends nothing" in httpx2.get(f"{copy['url']}/login", timeout=30).text
        process = serving(platform, copy)
    links = [httpx2.post(f"{one['url']}/api/v1/auth/password/forgot", json={"email": EMAIL}, timeout=30) for one in (copy, restored)]
    assert [answer.status_code for answer in links] == [409, 202]
    assert links[0].json()["errors"][0]["code"] == "no_mail_here"
    wait_for(lambda: mails(platform, restored), "the clinic itself mails its link")
    assert mails(platform, copy) == []
    assert "NoNewPrivs:\t1" in (process / "status").read_text()
    with closing(sign_in(platform.data, restored["url"], EMAIL)) as owner:
        assert patients(owner) == ["Ruiz", "Sanz"]
