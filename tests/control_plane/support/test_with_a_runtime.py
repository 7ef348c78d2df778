"""From the operator's question to the clinic's answer and its end, with the real applications of both sides."""

import json

import httpx2
import pytest
from pydantic import SecretStr

from app.core import clock as core_clock
from app.testing.clinics import SECRET
from tests.control_plane.support.test_requests import PATH, SUPPORT, asked, state


@pytest.fixture
async def runtime(world, clinic_database, runtime_database, mounted, operations, tmp_path, two_clinics, clock):
    """The clinic's own application, which knows this platform's key; the platform's clock is its clock."""
    from app.config import Settings
    from app.core.plugins.registry import module_registry
    from app.core.runtime.routers import serving_routers
    from app.main import create_app

    document = {"tenant": {"id": str(world.tenant.id)}, "platform": {"public_key": world.platform.key.public, "url": "https://x.test"}}
    await operations.fetch(
        "INSERT INTO core_revision (generation, identity, effect, document) VALUES (1, 'i', 'e', $1)", json.dumps(document)
    )
    await operations.fetch("UPDATE users SET is_owner = true WHERE id = $1", two_clinics.a.people["admin"])
    settings = Settings(secret_key=SecretStr(SECRET), storage=tmp_path)
    app = create_app(settings, module_registry, database=runtime_database, routers=serving_routers())
    before = core_clock.replace(clock)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://clinic.test") as client:
        world.deployer.runtime = client
        yield client
    core_clock.replace(before)


async def test_support_is_let_in_looks_without_seeing_patients_and_is_sent_away(world, runtime, two_clinics, clock):
    owner, operator = two_clinics.a.headers, world.people.headers[SUPPORT]
    await runtime.post("/api/v1/patients", json={"first_name": "Ximena", "last_name": "Quiroga"}, headers=owner)
    made = await asked(world)
    await world.look()
    [before] = (await runtime.get("/api/v1/support", headers=owner)).json()["data"]
    await runtime.post(f"/api/v1/support/{made['id']}/accept", json={"note": "Go ahead"}, headers=owner)
    given = await world.client.post(f"{PATH}/{made['id']}/pass", headers=operator)
    session = await runtime.post("/api/v1/support/session", json={"support_pass": given.json()["support_pass"]})
    again = await runtime.post("/api/v1/support/session", json={"support_pass": given.json()["support_pass"]})
    headers = {"Authorization": f"Bearer {session.json()['data']['token']}", "X-Clinic-Id": str(two_clinics.a.id)}
    seen = await runtime.get("/api/v1/patients", headers=headers)
    ended = await world.client.delete(f"{PATH}/{made['id']}", headers=operator)
    after = await runtime.get("/api/v1/patients", headers=headers)

    assert (before["state"], before["operator"], before["reason"]) == ("requested", made["operator"], "The calendar does not load")
    assert (given.status_code, session.status_code, again.status_code) == (201, 201, 409)
    assert (seen.status_code, seen.json()["total"], "Ximena" in seen.text) == (200, 1, False)
    assert (ended.json()["state"], ended.json()["decided_by"], ended.json()["note"]) == ("closed", "admin@a.example", "Go ahead")
    assert (ended.json()["reads"], after.status_code) == (1, 401)
    assert await world.audited() == ["support.requested", "support.accepted", "support.pass_given", "support.ending", "support.closed"]
    trail = (await runtime.get("/api/v1/users/-/trail", headers=owner)).json()["data"]
    assert [each["event"] for each in reversed(trail) if each["event"].startswith("support_")] == [
        "support_requested",
        "support_accepted",
        "support_opened",
        "support_taken_back",
    ]
    assert given.json()["support_pass"] not in (await world.client.get("/v1/tenants/own/audit")).text


async def test_the_platform_hears_by_itself_what_the_clinic_did(world, runtime, two_clinics, clock):
    owner = two_clinics.a.headers
    made, heard = await asked(world), []
    for deed in (None, "accept", "revoke"):
        if deed:
            await runtime.post(f"/api/v1/support/{made['id']}/{deed}", json={}, headers=owner)
        clock.advance(seconds=20)
        await world.look()
        heard.append((await state(world, made))[0])
    late = await world.client.post(f"{PATH}/{made['id']}/pass", headers=world.people.headers[SUPPORT])
    assert heard == ["asked", "open", "revoked"]
    assert late.json()["code"] == "support_not_open"
