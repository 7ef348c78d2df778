"""A serving process, its socket, and the SDK's client as an assistant has it: nothing in between is ours."""

import asyncpg
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from app.core.auth.passwords import Passwords
from tests.app.runtime.conftest import asked, runtime

__all__ = ["asked", "runtime"]

EMAIL, PASSWORD = "admin@clinica-sol.example", "correct horse battery staple"


async def test_an_assistant_works_with_a_served_clinic_and_leaves_its_trail(runtime):
    hashed = await Passwords(memory_kib=8, rounds=1, lanes=1).hash(PASSWORD)
    connection = await asyncpg.connect(runtime.database.owner_url)
    clinic = await connection.fetchval("SELECT id FROM clinics")
    user = await connection.fetchval("INSERT INTO users (email, password_hash) VALUES ($1, $2) RETURNING id", EMAIL, hashed)
    await connection.execute("INSERT INTO memberships (user_id, clinic_id, role) VALUES ($1, $2, 'admin')", user, clinic)
    serving = await runtime.serve()
    base = f"http://{runtime.address[0]}:{runtime.address[1]}"

    async with httpx2.AsyncClient(base_url=base) as person:
        signed_in = await person.post("/api/v1/auth/login", json={"email": EMAIL, "password": PASSWORD})
        own = {"Authorization": f"Bearer {signed_in.json()['data']['access_token']}"}
        person.cookies.clear()
        await person.put("/api/v1/agents/mcp", json={"enabled": True, "mode": "autonomous"}, headers=own)
        made = await person.post("/api/v1/auth/tokens", json={"name": "assistant", "scopes": ["*"]}, headers=own)
        token = {"Authorization": f"Bearer {made.json()['data']['token']}"}
        async with httpx2.AsyncClient(headers=token) as http, Client(streamable_http_client(f"{base}/api/v1/mcp", http_client=http)) as mcp:
            added = await mcp.call_tool("patients__create_patient", {"first_name": "Ana", "last_name": "Planted"})
            found = await mcp.call_tool("patients__search_patients", {"query": "planted"})
        trail = await person.get("/api/v1/agents/-/audit", headers=own)

    assert not added.is_error, added.content
    assert found.structured_content["result"]["total"] == 1
    assert [(row["tool"], row["status"]) for row in trail.json()["data"]] == [
        ("patients.search_patients", "completed"),
        ("patients.create_patient", "completed"),
    ]
    assert await connection.fetchval("SELECT count(*) FROM patients WHERE last_name = 'Planted'") == 1
    await connection.close()
    assert await serving.drain() == 0
    assert "planted" not in serving.log.read_text().lower()
