"""What would restart is known before anything does."""

from uuid import UUID

import pytest

from control_plane.blast_radius.service import Touch, measure
from control_plane.deployers.base import DatabaseAddress
from tests.support.clinics import serving_clinic
from tests.support.platform import MODULES, RuntimeEnvironment, module


async def touched(platform, release=None):
    return {one.slug: one async for one in measure(platform, release)}


@pytest.fixture
async def two_clinics(client, platform, deployer):
    chosen = {"agenda-sola": ["agenda"], "con-almacen": ["inventory"]}
    return {slug: await serving_clinic(client, platform, deployer, slug, modules=modules) for slug, modules in chosen.items()}


async def test_the_version_that_made_them_touches_nobody(two_clinics, platform):
    assert {one.touch for one in (await touched(platform)).values()} == {Touch.UNTOUCHED}


async def test_a_module_whose_version_changed_in_its_place_is_told_of_those_who_have_it(two_clinics, platform, client, runtime_environment):
    runtime_environment.describe({**MODULES, "inventory": module("0.2.0", "patients", "agenda", category="community")})
    await client.post("/v1/releases/refresh")

    found = await touched(platform)

    assert {slug: one.touch for slug, one in found.items()} == {"agenda-sola": Touch.PLANNED, "con-almacen": Touch.PLANNED}
    assert "inventory 0.1.0 becomes 0.2.0" in found["con-almacen"].why
    assert not any("inventory" in why for why in found["agenda-sola"].why)


async def test_what_a_place_would_render_differently_restarts(two_clinics, platform, deployer, monkeypatch):
    async def would_restart(tenant_id: UUID, database: DatabaseAddress) -> bool:
        return tenant_id == two_clinics["con-almacen"]

    monkeypatch.setattr(deployer, "would_restart", would_restart, raising=False)
    assert {slug: one.touch for slug, one in (await touched(platform)).items()} == {
        "agenda-sola": Touch.UNTOUCHED,
        "con-almacen": Touch.RESTARTS,
    }


async def test_a_release_names_those_that_cannot_take_it(two_clinics, platform, client, tmp_path):
    environment = RuntimeEnvironment(tmp_path / "next-env")
    environment.describe({name: facts for name, facts in MODULES.items() if name != "inventory"})
    release = (await client.post("/v1/releases", json={"environment": str(environment.folder)})).json()["id"]

    answer = (await client.get("/v1/blast-radius", params={"release": release})).json()

    by_slug = {one["slug"]: one for one in answer["touched"]}
    assert by_slug["con-almacen"]["touch"] == "refused"
    assert "inventory is installed" in by_slug["con-almacen"]["why"][0]
    assert by_slug["agenda-sola"]["touch"] == "restarts"
    assert (answer["tenants"], answer["restarting_percent"]) == (2, 50.0)


async def test_many_clinics_are_looked_at_in_several_answers(two_clinics, client):
    """Planning ten thousand takes minutes, and no proxy waits so long."""
    first = (await client.get("/v1/blast-radius", params={"most": 1})).json()
    rest = (await client.get("/v1/blast-radius", params={"after": first["next"]})).json()
    assert [(one["tenants"], one["next"]) for one in (first, rest)] == [(1, "agenda-sola"), (1, None)]


async def test_measuring_writes_nothing(two_clinics, platform, client):
    before = [(await client.get(f"/v1/tenants/{slug}")).json() for slug in two_clinics]
    await client.get("/v1/blast-radius")
    assert [(await client.get(f"/v1/tenants/{slug}")).json() for slug in two_clinics] == before
