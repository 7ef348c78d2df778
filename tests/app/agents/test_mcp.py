"""The official client of the Model Context Protocol against the application: what a receptionist and an administrator see and may do."""

import json
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

URL = "http://clinic.test/api/v1/mcp"


@pytest.fixture
def module_names():
    return ("patients", "agenda")


@asynccontextmanager
async def assistant(runtime, token, *, mode="auto"):
    """A client of the SDK over HTTP, with this token and nothing else."""
    transport = httpx2.ASGITransport(app=runtime)
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(transport=transport, base_url="http://clinic.test", headers=headers) as http,
        Client(streamable_http_client(URL, http_client=http), mode=mode) as client,
    ):
        yield client


async def token_for(client, clinic, role, scopes=("*",)):
    made = await client.post(
        "/api/v1/auth/tokens", json={"name": "assistant", "scopes": list(scopes), "days": 1}, headers=clinic.headers_of(role)
    )
    assert made.status_code == 201, made.text
    return made.json()["data"]["token"]


@pytest.fixture
async def switched_on(client, two_clinics):
    answer = await client.put("/api/v1/agents/mcp", json={"enabled": True}, headers=two_clinics.a.headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["mode"] == "supervised"


async def names(mcp):
    return {tool.name for tool in (await mcp.list_tools()).tools}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_receptionist_and_an_admin_see_the_tools_of_their_roles(client, runtime, two_clinics, switched_on, mode):
    async with assistant(runtime, await token_for(client, two_clinics.a, "receptionist"), mode=mode) as mcp:
        of_receptionist = await names(mcp)
    async with assistant(runtime, await token_for(client, two_clinics.a, "admin"), mode=mode) as mcp:
        of_admin = await names(mcp)

    assert {"patients__search_patients", "agenda__create_appointment", "agents__check_approval"} <= of_receptionist
    assert of_admin - of_receptionist == {"agenda__create_cabinet", "agenda__update_cabinet"}


async def test_a_receptionist_reads_and_is_refused_what_only_an_admin_may(client, runtime, two_clinics, switched_on):
    await client.post("/api/v1/patients", json={"first_name": "Ana", "last_name": "García"}, headers=two_clinics.a.headers)
    await client.post("/api/v1/patients", json={"first_name": "Ana", "last_name": "Of B"}, headers=two_clinics.b.headers)
    async with assistant(runtime, await token_for(client, two_clinics.a, "receptionist")) as mcp:
        found = await mcp.call_tool("patients__search_patients", {"query": "ana"})
        refused = await mcp.call_tool("agenda__create_cabinet", {"name": "Mine"})

    assert not found.is_error
    assert [patient["full_name"] for patient in found.structured_content["result"]["patients"]] == ["Ana García"]
    assert json.loads(found.content[0].text) == found.structured_content
    assert refused.is_error
    assert refused.structured_content["code"] == "permission_denied"
    cabinets = await client.get("/api/v1/agenda/cabinets", headers=two_clinics.a.headers)
    assert "Mine" not in cabinets.text


async def booked(client, clinic):
    patient = await client.post("/api/v1/patients", json={"first_name": "Eva"}, headers=clinic.headers)
    start = datetime.fromisoformat("2030-01-07T10:00:00+01:00")
    body = {
        "patient_id": patient.json()["data"]["id"],
        "professional_id": str(clinic.people["dentist"]),
        "starts_at": start.isoformat(),
        "ends_at": (start + timedelta(minutes=30)).isoformat(),
    }
    made = await client.post("/api/v1/agenda/appointments", json=body, headers=clinic.headers)
    assert made.status_code == 201, made.text
    return made.json()["data"]["id"]


async def status_of(client, clinic, appointment_id):
    answer = await client.get(f"/api/v1/agenda/appointments/{appointment_id}", headers=clinic.headers)
    return answer.json()["data"]["status"]


async def test_a_destructive_call_waits_and_approving_executes_it(client, runtime, two_clinics, published):
    clinic = two_clinics.a
    chosen = await client.put("/api/v1/agents/mcp", json={"enabled": True, "mode": "autonomous"}, headers=clinic.headers)
    assert chosen.status_code == 200
    appointment = await booked(client, clinic)
    async with assistant(runtime, await token_for(client, clinic, "receptionist")) as mcp:
        confirmed = await mcp.call_tool("agenda__change_status", {"appointment_id": appointment, "to_status": "confirmed"})
        waiting = await mcp.call_tool("agenda__end_appointment", {"appointment_id": appointment, "to_status": "cancelled"})
        approval = waiting.structured_content["approval_id"]
        before = await mcp.call_tool("agents__check_approval", {"approval_id": approval})
        assert await status_of(client, clinic, appointment) == "confirmed"

        approved = await client.post(f"/api/v1/agents/-/approvals/{approval}/approve", json={}, headers=clinic.headers_of("receptionist"))
        after = await mcp.call_tool("agents__check_approval", {"approval_id": approval})

    assert not confirmed.is_error
    assert not waiting.is_error
    assert waiting.structured_content["code"] == "approval_required"
    assert before.structured_content["result"]["status"] == "pending"
    assert approved.status_code == 200, approved.text
    assert approved.json()["data"]["status"] == "executed"
    assert await status_of(client, clinic, appointment) == "cancelled"
    assert after.structured_content["result"]["result"]["status"] == "cancelled"
    assert [payload["appointment_id"] for payload in await published("appointment.cancelled")] == [appointment]


async def test_in_supervised_mode_a_write_waits_too(client, runtime, two_clinics, switched_on):
    async with assistant(runtime, await token_for(client, two_clinics.a, "dentist")) as mcp:
        waiting = await mcp.call_tool("patients__create_patient", {"first_name": "Luz"})

    assert waiting.structured_content["code"] == "approval_required"
    assert (await client.get("/api/v1/patients", headers=two_clinics.a.headers)).json()["total"] == 0


async def test_the_token_of_a_session_works_as_well(client, runtime, two_clinics, switched_on):
    token = two_clinics.a.headers_of("dentist")["Authorization"].removeprefix("Bearer ")
    async with assistant(runtime, token) as mcp:
        assert "patients__search_patients" in await names(mcp)


async def test_scopes_limit_a_token(client, runtime, two_clinics, switched_on):
    async with assistant(runtime, await token_for(client, two_clinics.a, "admin", ["agenda.cabinets.read"])) as mcp:
        assert await names(mcp) == {"agenda__list_cabinets", "agents__check_approval"}
        refused = await mcp.call_tool("patients__search_patients", {"query": "a"})

    assert refused.structured_content["code"] == "permission_denied"


async def post(client, token, **headers):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    accept = {"Accept": "application/json, text/event-stream", "Authorization": f"Bearer {token}", **headers}
    return await client.post("/api/v1/mcp", json=body, headers=accept)


async def test_assistants_are_off_until_an_admin_switches_them_on(client, two_clinics):
    answer = await post(client, await token_for(client, two_clinics.a, "dentist"))

    assert answer.status_code == 403
    assert answer.json()["errors"][0]["code"] == "agent_disabled"
    assert "PUT /api/v1/agents/mcp" in answer.json()["message"]


async def test_a_revoked_token_is_refused_at_once(client, two_clinics, switched_on):
    clinic = two_clinics.a
    token = await token_for(client, clinic, "dentist")
    assert (await post(client, token)).status_code == 200
    [listed] = (await client.get("/api/v1/auth/tokens", headers=clinic.headers_of("dentist"))).json()["data"]
    assert listed["last_used_at"] is not None
    assert "token" not in listed

    assert (await client.delete(f"/api/v1/auth/tokens/{listed['id']}", headers=clinic.headers_of("dentist"))).status_code == 200

    refused = await post(client, token)
    assert refused.status_code == 401
    assert refused.json()["errors"][0]["code"] == "token_refused"
    assert refused.headers["www-authenticate"] == "Bearer"


async def test_a_token_opens_nothing_but_mcp(client, two_clinics, switched_on):
    headers = {"Authorization": f"Bearer {await token_for(client, two_clinics.a, 'admin')}"}

    for method, path in (
        ("GET", "/api/v1/patients"),
        ("GET", "/api/v1/auth/me"),
        ("POST", "/api/v1/auth/tokens"),
        ("POST", f"/api/v1/agents/-/approvals/{UUID(int=1)}/approve"),
    ):
        assert (await client.request(method, path, json={}, headers=headers)).status_code == 401, path


async def test_a_token_is_of_one_clinic(client, two_clinics, switched_on):
    token = await token_for(client, two_clinics.a, "admin")

    assert (await post(client, token, **{"X-Clinic-Id": str(two_clinics.b.id)})).status_code == 403
    others = await client.get("/api/v1/auth/tokens?everybody=true", headers=two_clinics.b.headers)
    assert others.json()["data"] == []


async def test_a_cookie_opens_nothing_and_other_methods_are_refused(client, two_clinics, switched_on):
    token = two_clinics.a.headers["Authorization"].removeprefix("Bearer ")
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}

    assert (await client.post("/api/v1/mcp", json=body, headers={"Cookie": f"dentalpin_x={token}"})).status_code == 401
    assert (await client.get("/api/v1/mcp", headers={"Authorization": f"Bearer {token}"})).status_code == 405
    assert (await client.post("/api/v1/mcp", content=b"{", headers={"Authorization": f"Bearer {token}"})).status_code in (400, 406)


async def test_ending_the_session_of_a_token_shuts_it_out_for_good(client, two_clinics, runtime, switched_on):
    clinic = two_clinics.a
    async with assistant(runtime, await token_for(client, clinic, "dentist")) as mcp:
        waiting = await mcp.call_tool("patients__create_patient", {"first_name": "Luz"})
        [session] = (await client.get("/api/v1/agents/-/sessions", headers=clinic.headers)).json()["data"]
        ended = await client.post(f"/api/v1/agents/-/sessions/{session['id']}/end", headers=clinic.headers)
        assert ended.json()["data"]["status"] == "ended"

        refused = await mcp.call_tool("patients__search_patients", {"query": "a"})

    assert refused.structured_content["code"] == "agent_session_ended"
    approval = waiting.structured_content["approval_id"]
    left = await client.get(f"/api/v1/agents/-/approvals/{approval}", headers=clinic.headers)
    assert left.json()["data"]["status"] == "rejected"


def test_nothing_of_the_sdk_is_imported_until_an_assistant_comes():
    import subprocess
    import sys

    program = (
        "import sys, app.main, app.core.agents.mcp, app.modules.agenda, app.modules.patients\n"
        "sys.exit(any(name in ('mcp', 'mcp_types') or name.endswith(('agenda.tools', 'patients.tools')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
