"""Pins and channels of a clinic, and which releases it could get."""

import pytest

from tests.support.clinics import serving_clinic
from tests.support.platform import MODULES, RuntimeEnvironment, module


@pytest.fixture
async def clinic(client, platform, deployer):
    return await serving_clinic(client, platform, deployer, modules=["inventory"])


@pytest.fixture
async def next_release(client, clinic, tmp_path):
    environment = RuntimeEnvironment(tmp_path / "next-env")
    environment.describe({**MODULES, "agenda": module("1.1.0", "patients")}, core_version="1.1.0")
    return (await client.post("/v1/releases", json={"environment": str(environment.folder)})).json()["id"]


async def test_a_clinic_is_told_what_an_upgrade_would_change(client, next_release):

    plan = (await client.post("/v1/tenants/sol/upgrade/plan", json={})).json()

    assert (plan["release"], plan["suits"], plan["obstacles"]) == (next_release, True, [])
    assert {one["name"]: (one["action"], one["to_version"]) for one in plan["modules"]} == {
        "patients": ("keep", "1.0.0"),
        "agenda": ("upgrade", "1.1.0"),
        "inventory": ("keep", "0.1.0"),
    }


async def test_every_release_there_is_says_whether_it_suits(client, next_release, tmp_path):
    lacking = RuntimeEnvironment(tmp_path / "lacking-env")
    lacking.describe({"patients": MODULES["patients"], "agenda": MODULES["agenda"]})
    lacks = (await client.post("/v1/releases", json={"environment": str(lacking.folder)})).json()["id"]

    found = {one["release"]: one for one in (await client.get("/v1/tenants/sol/releases")).json()["items"]}

    assert found[next_release]["suits"] is True
    assert [one["code"] for one in found[lacks]["obstacles"]] == ["module_missing"]


async def test_a_pin_keeps_other_releases_away_until_it_is_taken_off(client, next_release):
    current = (await client.get("/v1/tenants/sol/release")).json()["release"]
    wanted = {"release": next_release}

    await client.put("/v1/tenants/sol/release", json={"pinned": current})
    pinned = (await client.post("/v1/tenants/sol/upgrade/plan", json=wanted)).json()
    await client.put("/v1/tenants/sol/release", json={"pinned": None})
    free = (await client.post("/v1/tenants/sol/upgrade/plan", json=wanted)).json()

    assert [(one["code"], one["overridable"]) for one in pinned["obstacles"]] == [("pinned", True)]
    assert free["suits"] is True


async def test_a_pin_must_name_a_release_that_some_environment_holds(client, clinic):
    answer = await client.put("/v1/tenants/sol/release", json={"pinned": "sha256:none"})
    assert (answer.status_code, answer.json()["code"]) == (404, "release_unknown")


async def test_a_clinic_in_the_early_channel_is_offered_what_others_are_not(client, clinic, tmp_path):
    environment = RuntimeEnvironment(tmp_path / "early-env")
    environment.describe({**MODULES, "agenda": module("1.2.0", "patients")})
    early = (await client.post("/v1/releases", json={"environment": str(environment.folder), "channel": "early"})).json()["id"]
    before = (await client.post("/v1/tenants/sol/upgrade/plan", json={})).json()["release"]

    await client.put("/v1/tenants/sol/release", json={"channel": "early"})
    after = (await client.post("/v1/tenants/sol/upgrade/plan", json={})).json()

    assert (before != early, after["release"], after["suits"]) == (True, early, True)
