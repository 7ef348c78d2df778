"""A clinic that is not paid for, as its people meet it on a real runtime: it is read, printed and exported on each step, and comes back."""

import json
import zipfile

import httpx2
import pytest

from dentalpin_kit.archives import verify_archive

OWNER, PASSWORD = "owner@clinica-sol.example", "correct horse battery staple"
PAY_AT = "https://platform.example/account"
LIMITS = {"plan": "Solo", "clinics": 1, "users": 5, "storage_gb": 20}


def payments(state, **more):
    return {"state": state, "why": "unpaid", "next": None, "next_on": None, "pay_at": PAY_AT, **more}


def codes(answer):
    return answer.status_code, [error["code"] for error in answer.json()["errors"]]


@pytest.fixture
async def person(runtime):
    """`await person()`: the owner, signed in on the pages and by token."""
    password = runtime.folder / "password"
    password.write_text(PASSWORD)
    await runtime.command("users", "set-password", OWNER, "--password-file", str(password))
    host, port = runtime.address
    clients = []

    async def enter():
        client = httpx2.AsyncClient(base_url=f"http://{host}:{port}", timeout=60, follow_redirects=True)
        clients.append(client)
        page = await client.post("/sign-in", data={"email": OWNER, "password": PASSWORD}, headers={"Origin": f"http://{host}:{port}"})
        assert page.status_code == 200, page.text
        signed_in = await client.post("/api/v1/auth/login", json={"email": OWNER, "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {signed_in.json()['data']['access_token']}"
        return client

    yield enter
    for client in clients:
        await client.aclose()


async def test_records_are_read_printed_and_exported_on_every_step_and_all_is_back_once_paid(runtime, asked, person, tmp_path):
    runtime.revise(asked("patients", "agenda", generation=2, limits=LIMITS, payments=payments("banner")))
    process = await runtime.serve()
    owner = await person()
    made = await owner.post("/api/v1/patients", json={"first_name": "Ana", "last_name": "Núñez Peña"})
    assert made.status_code == 201, made.text
    assert "A payment for this clinic&#39;s DentalPin is overdue." in (await owner.get("/")).text
    assert (await process.attestation())["usage"]["users"] == 1

    steps = ((3, "read_only", "mode_read_only", "read-only"), (4, "export_only", "mode_export_only", "closed for work"))
    for generation, mode, code, told in steps:
        await process.drain()
        runtime.revise(asked("patients", "agenda", generation=generation, mode=mode, limits=LIMITS, payments=payments(mode)))
        process = await runtime.serve()
        owner = await person()

        listed = await owner.get("/api/v1/patients")
        assert [each["last_name"] for each in listed.json()["data"]] == ["Núñez Peña"], listed.text
        one = await owner.get(f"/api/v1/patients/{listed.json()['data'][0]['id']}")
        assert one.json()["data"]["first_name"] == "Ana"
        assert codes(await owner.post("/api/v1/patients", json={"first_name": "Bo", "last_name": "Sol"})) == (403, [code])
        changed = await owner.patch(f"/api/v1/patients/{listed.json()['data'][0]['id']}", json={"first_name": "Eva", "last_name": "Sol"})
        assert codes(changed) == (403, [code])

        page = (await owner.get("/")).text
        assert told in page
        assert PAY_AT in page
        assert "1 of 5" in page
        assert "@media print" in (await owner.get("/-/pages.css")).text

        archive = tmp_path / f"{mode}.zip"
        await runtime.command("export", str(archive))
        assert verify_archive(archive).manifest["tenant"]["slug"] == "clinica-sol"
        with zipfile.ZipFile(archive) as content:
            rows = [json.loads(line) for line in content.read("data/patients/patients.jsonl").splitlines()]
        assert [row["last_name"] for row in rows] == ["Núñez Peña"]

    await process.drain()
    runtime.revise(asked("patients", "agenda", generation=5, limits=LIMITS))
    process = await runtime.serve()
    owner = await person()
    assert (await owner.post("/api/v1/patients", json={"first_name": "Bo", "last_name": "Sol"})).status_code == 201
    assert PAY_AT not in (await owner.get("/")).text
