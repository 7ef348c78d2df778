"""Several environments: who gets which release, and what keeps one from whom."""

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from control_plane.releases.models import Release
from control_plane.releases.placing import placement_of
from control_plane.revisions.models import Revision
from control_plane.tenants.service import find
from tests.support.platform import MODULES, RuntimeEnvironment, module

CLINIC = {"name": "Clínica Sol", "country": "ES", "owner_email": "ana@sol.example", "modules": ["agenda"]}


@pytest.fixture
def next_environment(tmp_path):
    environment = RuntimeEnvironment(tmp_path / "next-env")
    environment.describe({**MODULES, "agenda": module("1.1.0", "patients")})
    return environment


@pytest.fixture
def register(client):
    async def register(environment, **more):
        answer = await client.post("/v1/releases", json={"environment": str(environment.folder), **more})
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    return register


async def create(client, **fields):
    answer = await client.post("/v1/tenants", json={**CLINIC, **fields})
    assert answer.status_code == 202, answer.text
    return answer.json()["tenant"]


async def newest(client):
    return (await client.get("/v1/releases/newest")).json()["id"]


async def test_a_release_stays_where_it_was_registered_beside_the_next_one(client, register, next_environment, runtime_environment):
    old = await newest(client)
    new = await register(next_environment)

    listed = (await client.get("/v1/releases")).json()["items"]

    assert [one["id"] for one in listed] == [new["id"], old]
    assert [one["environment"] for one in listed] == [str(next_environment.folder), str(runtime_environment.folder)]
    assert await newest(client) == new["id"]


async def test_registering_the_same_again_is_no_news(client, register, next_environment):
    await register(next_environment)
    await client.post("/v1/releases/refresh")

    again = await client.post("/v1/releases", json={"environment": str(next_environment.folder)})

    assert again.status_code == 200
    assert await newest(client) == again.json()["id"]


async def test_an_environment_that_changed_holds_its_former_release_no_more(client, register, runtime_environment):
    old = await newest(client)
    runtime_environment.describe({**MODULES, "agenda": module("1.2.0", "patients")})
    new = (await client.post("/v1/releases/refresh")).json()

    gone = (await client.get(f"/v1/releases/{old}")).json()

    assert (gone["environment"], gone["replaced_by"]) == (None, new["id"])


async def test_an_early_release_reaches_only_those_who_asked_for_it(client, register, next_environment):
    old = await newest(client)
    early = await register(next_environment, channel="early")
    assert await newest(client) == old

    await client.put(f"/v1/releases/{early['id']}/channel", json={"channel": "stable"})

    assert await newest(client) == early["id"]


async def test_a_yanked_release_is_offered_to_nobody_until_that_is_taken_back(client, register, next_environment):
    old, new = await newest(client), (await register(next_environment))["id"]

    yanked = (await client.put(f"/v1/releases/{new}/yank", json={"reason": "loses appointments"})).json()
    offered = await newest(client)
    await client.delete(f"/v1/releases/{new}/yank")

    assert (yanked["yanked_reason"], offered) == ("loses appointments", old)
    assert await newest(client) == new


async def test_a_young_release_waits_until_it_is_old_enough(client, platform, clock, register, next_environment):
    old = await newest(client)
    platform.settings.release_minimum_age_hours = 72
    clock.advance(hours=73)
    new = (await register(next_environment))["id"]
    assert await newest(client) == old

    clock.advance(hours=73)

    assert await newest(client) == new


async def test_a_platform_whose_only_release_is_young_still_has_one(client, platform):
    platform.settings.release_minimum_age_hours = 72
    assert (await client.get("/v1/releases/newest")).status_code == 200


async def test_a_change_of_modules_is_no_upgrade(client, register, next_environment):
    old = (await create(client))["desired"]["release"]
    await register(next_environment)

    changed = (await client.put("/v1/tenants/clinica-sol/modules", json={"modules": ["agenda", "inventory"]})).json()

    assert changed["tenant"]["desired"]["release"] == old
    assert {one["name"]: one["version"] for one in changed["tenant"]["desired"]["modules"]}["agenda"] == "1.0.0"


async def test_a_worker_starts_each_tenant_in_the_environment_of_its_release(client, platform, register, next_environment, tmp_path):
    await create(client, slug="vieja")
    await register(next_environment)
    await create(client, slug="nueva")

    async with platform.database.transaction() as session:
        placed = {}
        for slug in ("vieja", "nueva"):
            tenant = await find(session, slug)
            revision = (await session.scalars(select(Revision).where(Revision.tenant_id == tenant.id))).one()
            placed[slug] = (await placement_of(session, tenant, revision)).environment

    assert placed == {"vieja": str(platform.settings.environment), "nueva": str(next_environment.folder)}


async def test_an_environment_that_holds_nothing_is_refused(client, tmp_path):
    answer = await client.post("/v1/releases", json={"environment": str(tmp_path / "nothing")})
    assert (answer.status_code, answer.json()["code"]) == (503, "runtime_environment_unavailable")


async def test_an_unknown_release_is_not_found(client):
    answer = await client.put("/v1/releases/sha256:none/yank", json={"reason": "x"})
    assert (answer.status_code, answer.json()["code"]) == (404, "release_unknown")


async def test_two_releases_never_stand_in_one_environment(platform):
    now = platform.clock.now()
    with pytest.raises(IntegrityError, match="uq_release_environment"):
        async with platform.database.transaction() as session:
            for name in ("a", "b"):
                session.add(Release(id=name, core_version="1.0.0", document={}, registered_at=now, environment="/srv/env"))
