"""On the embedded default with a real runtime: a demonstration is filled, says what it is, reaches nobody, and is gone once it is ended."""

from contextlib import closing

import httpx2

from tests.end_to_end.test_backups import mails, serving
from tests.support.installation import finished, send, sign_in, wait_for

EMAIL = "muestra@example.com"


def test_a_demonstration_is_filled_marked_and_kept_to_itself_and_ends(platform):
    body = {"name": "Muestra", "slug": "muestra", "country": "ES", "language": "es", "owner_email": EMAIL, "modules": ["agenda"]}
    opened = send(lambda: platform.api.post("/v1/demos", json=body))
    assert opened.status_code == 202, opened.text
    finished(platform.api, opened.json()["operation"])
    tenant = platform.api.get("/v1/tenants/muestra").json()

    with closing(sign_in(platform.data, tenant["url"], EMAIL)) as owner:
        found = owner.get("/api/v1/patients").json()
        booked = owner.get("/api/v1/agenda/appointments").json()
        active = owner.get("/api/v1/modules/-/active").json()["data"]
        page = httpx2.get(f"{tenant['url']}/login", headers={"Accept-Language": "es"}, timeout=30).text
        forgotten = httpx2.post(f"{tenant['url']}/api/v1/auth/password/forgot", json={"email": EMAIL}, timeout=30)
        status = (serving(platform, tenant) / "status").read_text()

    assert (found["total"], booked["total"]) == (24, 40)
    assert all(one["email"].endswith(".example") and one["national_id"] is None for one in found["data"])
    assert active["demo_until"] == opened.json()["demo"]["ends_at"][:10]
    assert "Demostración: los pacientes son inventados." in page
    assert forgotten.json()["errors"][0]["code"] == "no_mail_here"
    assert mails(platform, tenant) == []
    assert "NoNewPrivs:\t1" in status

    assert send(lambda: platform.api.delete("/v1/demos/muestra")).status_code == 202
    wait_for(lambda: platform.api.get("/v1/tenants/muestra").json()["state"] == "deleted", "it is deleted")
    assert not (platform.data / "tenants" / tenant["id"]).exists()
