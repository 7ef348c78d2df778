"""Releases are what the runtime's environment prints about itself."""

import asyncio
import hashlib
import json
import os

import pytest

from control_plane.main import read_release
from control_plane.releases.catalogue import UnreadableRelease
from control_plane.releases.describe import EnvironmentUnavailable, describe
from tests.support.platform import MODULES


async def test_the_id_is_the_digest_of_exactly_what_was_printed(runtime_environment):
    text = '{"core_version": "1.0.0",  "modules": {}, "schema": 1}'
    runtime_environment.print(text + "\n")
    release_id, document = await describe(runtime_environment.folder)
    assert release_id == "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert document == json.loads(text)


async def test_an_environment_that_goes_back_goes_back_to_its_release(client, runtime_environment):
    first = (await client.post("/v1/releases/refresh")).json()
    runtime_environment.describe({"agenda": {"version": "2.0.0"}})
    second = (await client.post("/v1/releases/refresh")).json()
    runtime_environment.describe(MODULES)
    third = (await client.post("/v1/releases/refresh")).json()

    assert second["modules"] == {"agenda": "2.0.0"}
    assert third["id"] == first["id"] == (await client.get("/v1/releases/newest")).json()["id"]


async def test_what_was_read_last_counts_however_slow_an_earlier_reading_was(client, platform, runtime_environment):
    folder = runtime_environment.folder
    os.mkfifo(folder / "gate")
    text = json.dumps({"schema": 1, "core_version": "1.0.0", "modules": {"patients": {"version": "1.0.0"}}})
    (folder / "bin" / "dentalpin").write_text(f"#!/bin/sh\necho reading >{folder}/gate\nread go <{folder}/gate\nprintf %s '{text}'\n")
    slow = asyncio.create_task(read_release(platform))
    await asyncio.to_thread((folder / "gate").read_text)
    runtime_environment.describe({"agenda": {"version": "2.0.0"}})
    refreshing = asyncio.create_task(client.post("/v1/releases/refresh"))
    await asyncio.wait({refreshing}, timeout=0.5)
    await asyncio.to_thread((folder / "gate").write_text, "go\n")
    await asyncio.gather(slow, refreshing)

    assert (await client.get("/v1/releases/newest")).json()["modules"] == {"agenda": "2.0.0"}


@pytest.mark.parametrize(
    ("text", "status", "error", "says"),
    [
        ("not json", 0, UnreadableRelease, "printed no JSON"),
        ("[]", 0, UnreadableRelease, "no JSON object"),
        ("", 3, EnvironmentUnavailable, "ended with status 3"),
    ],
)
async def test_what_cannot_be_used_is_refused(runtime_environment, text, status, error, says):
    runtime_environment.print(text, status=status)
    with pytest.raises(error, match=says):
        await describe(runtime_environment.folder)


async def test_a_missing_environment_says_how_to_make_it(tmp_path):
    with pytest.raises(EnvironmentUnavailable, match=r"\./dev up"):
        await describe(tmp_path)


async def test_a_manifest_that_lacks_what_planning_needs_is_named(client, runtime_environment):
    runtime_environment.describe({"agenda": {"depends": []}})
    answer = await client.post("/v1/releases/refresh")
    assert (answer.status_code, answer.json()["code"]) == (502, "release_unreadable")
    assert "version" in answer.json()["detail"]


async def test_a_package_that_cannot_be_loaded_is_refused_with_the_reason(client, runtime_environment):
    modules = {**MODULES, "suite": {"version": "1.0.0", "depends": ["odd"]}}
    runtime_environment.describe(modules, unusable={"odd": "its version 'one' is no X.Y.Z version"})
    await client.post("/v1/releases/refresh")
    clinic = {"name": "Clínica Sol", "country": "ES", "owner_email": "ana@sol.example"}

    chosen = await client.post("/v1/tenants", json={**clinic, "modules": ["odd"]})
    needed = await client.post("/v1/tenants", json={**clinic, "modules": ["suite"]})

    assert (chosen.status_code, chosen.json()["code"], chosen.json()["module"]) == (422, "module_not_installable", "odd")
    assert "no X.Y.Z version" in chosen.json()["detail"]
    assert (needed.status_code, needed.json()["path"]) == (422, ["suite", "odd"])
    assert "no X.Y.Z version" in needed.json()["detail"]
    assert "odd" in (await client.get("/v1/modules")).json()["unusable"]


async def test_the_catalogue_says_prices_and_what_cannot_be_chosen(client):
    found = (await client.get("/v1/modules")).json()
    modules = {one["name"]: one for one in found["modules"]}

    assert modules["agenda"]["price"] == {"amount": "12.00", "currency": "EUR"}
    assert modules["verifactu"]["fulfils"] == ["es-verifactu"]
    assert {name for name, one in modules.items() if not one["usable"]} == {"draft", "future", "on_draft", "orphaned", "ring_a", "ring_b"}
    assert modules["on_draft"]["why_not"] == "a module it depends on is missing or cannot be installed"


async def test_compliance_says_which_module_meets_an_obligation(client):
    found = (await client.get("/v1/compliance/ES", params={"on": "2027-01-01"})).json()

    assert found["unmet"] == []
    assert next(one["fulfilled_by"] for one in found["obligations"] if one["id"] == "es-verifactu") == "verifactu"
