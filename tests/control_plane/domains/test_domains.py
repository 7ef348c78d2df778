"""A host name of a clinic's own, from the asking to the giving back."""

import json
from uuid import UUID

import pytest

from control_plane.clusters.models import ClusterRow
from control_plane.domains.resolving import FileNames
from control_plane.domains.schemas import NewDomain
from control_plane.passes import PASSES
from control_plane.passes.running import make_due, run_due
from tests.control_plane.operations.conftest import databases, shown, worker

__all__ = ["databases", "shown", "worker"]

NAME = "cita.clinica-mar.example"


@pytest.fixture
async def clinics(client, databases, worker, platform):
    """Two clinics of a platform that deploys on Kubernetes, by slug; what they leave on the database server is dropped."""
    platform.settings.deployer = "kubernetes"
    made = {}
    for slug in ("mar", "sol"):
        body = {"name": slug, "slug": slug, "country": "ES", "owner_email": f"ana@{slug}.example", "modules": ["agenda"]}
        answer = await client.post("/v1/tenants", json=body)
        made[slug] = UUID(answer.json()["tenant"]["id"])
    await worker.drain()
    yield made
    for tenant_id in made.values():
        await databases.drop(tenant_id)


@pytest.fixture
def names(platform, tmp_path):
    """What the domain name system says, by record."""
    file = tmp_path / "names.json"
    object.__setattr__(platform, "names", FileNames(file))

    def say(**records):
        file.write_text(json.dumps(records))

    say()
    return say


@pytest.fixture
def looked(worker, client, clock):
    """The pass looks once the names are due, and the worker does what it began; the clinic's names as they are then."""

    async def looked(slug="mar", **later):
        clock.advance(**(later or {"minutes": 1}))
        await make_due(worker._tools, "domains")
        assert await run_due(worker._tools, "worker-1", passes=[one for one in PASSES if one.name == "domains"])
        await worker.drain()
        return (await client.get(f"/v1/tenants/{slug}/domains")).json()["items"]

    return looked


async def asked(client, slug="mar", name=NAME):
    answer = await client.post(f"/v1/tenants/{slug}/domains", json={"name": name})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_name_is_proved_by_its_text_record_and_answers_until_it_is_taken_back(
    client, clinics, names, looked, worker, deployer, shown
):
    given = await asked(client)
    assert (given["state"], given["record"]) == ("pending", f"_dentalpin.{NAME}")
    names(**{given["record"]: ["v=spf1 -all"]})
    (waiting,) = await looked()
    assert (waiting["state"], "v=spf1" in waiting["reason"]) == ("pending", True)
    assert deployer.told(clinics["mar"])["domains"] == [], "nobody answers at a name that is not proved"

    names(**{given["record"]: ["v=spf1 -all", given["proof"]]})
    (had,) = await looked()
    assert (had["state"], had["reason"], had["deadline"]) == ("verified", None, None)
    assert deployer.told(clinics["mar"])["domains"] == [NAME]
    assert (await shown("mar"))["state"] == "active"
    assert deployer.told(clinics["mar"])["revision"]["generation"] == 1, "carried out anew, and nothing about the clinic is another"

    assert (await client.delete(f"/v1/tenants/mar/domains/{NAME}")).status_code == 202
    await worker.drain()
    assert deployer.told(clinics["mar"])["domains"] == []
    assert (await client.delete(f"/v1/tenants/mar/domains/{NAME}")).json()["code"] == "unknown_domain"


async def test_who_only_asks_keeps_a_name_from_nobody_and_who_proves_it_has_it(client, clinics, names, looked):
    squatter, owner = await asked(client, "sol"), await asked(client, "mar")
    names(**{owner["record"]: [owner["proof"]]})
    (had,) = await looked("mar")
    (other,) = (await client.get("/v1/tenants/sol/domains")).json()["items"]
    assert (had["state"], other["state"], squatter["proof"] != owner["proof"]) == ("verified", "pending", True)
    assert (await client.post("/v1/tenants/sol/domains", json={"name": NAME})).json()["code"] == "domain_taken"
    names(**{owner["record"]: [owner["proof"], squatter["proof"]]})
    (both,) = await looked("sol", hours=2)
    assert (both["state"], "another clinic answers at it" in both["reason"]) == ("pending", True)


async def test_without_a_proof_a_name_lapses_and_may_be_asked_for_again(client, clinics, names, looked):
    await asked(client)
    assert await looked(days=8) == []
    assert (await asked(client))["state"] == "pending"


async def test_a_check_looks_at_once_and_name_servers_that_are_away_are_told(client, clinics, names, looked, platform):
    given = await asked(client)
    names(**{given["record"]: [given["proof"]]})
    assert [one["state"] for one in await looked(seconds=1)] == ["pending"], "not yet due"
    object.__setattr__(platform, "names", FileNames(platform.settings.data))
    assert (await client.post(f"/v1/tenants/mar/domains/{NAME}/check")).status_code == 202
    (away,) = await looked(seconds=1)
    assert (away["state"], "cannot be read" in away["reason"]) == ("pending", True)


async def test_a_deleted_clinics_names_are_free(client, clinics, names, looked, worker):
    given = await asked(client)
    names(**{given["record"]: [given["proof"]]})
    await looked()
    platform_wide = await client.request("DELETE", "/v1/tenants/mar", params={"at_once": True, "confirm": "mar"})
    assert platform_wide.status_code == 202, platform_wide.text
    await worker.drain()
    await looked("sol")
    assert (await asked(client, "sol"))["state"] == "pending"


async def test_names_of_the_platforms_own_and_more_than_ten_are_refused(client, clinics, platform):
    async with platform.database.transaction() as session:
        facts = {"domain": "clinics.example"}
        row = ClusterRow(name="madrid", region="eu", capacity=1, accepting=False, facts=facts, created_at=platform.clock.now())
        session.add(row)
    refused = await client.post("/v1/tenants/mar/domains", json={"name": "sol.clinics.example"})
    assert refused.json()["code"] == "domain_reserved"
    for number in range(10):
        await asked(client, name=f"cita{number}.example.org")
    assert (await client.post("/v1/tenants/mar/domains", json={"name": NAME})).json()["code"] == "too_many_domains"
    platform.settings.deployer = "local"
    assert (await client.post("/v1/tenants/sol/domains", json={"name": NAME})).json()["code"] == "domains_unsupported"


def test_names_are_written_as_the_domain_name_system_has_them():
    assert NewDomain(name=" Cita.Clínica.ES. ").name == "cita.xn--clnica-4va.es"


@pytest.mark.parametrize("name", ["*.example.org", "localhost", "192.0.2.7", "a b.example", "x:80", "http://x.example", "-x.org", "a..b"])
def test_what_is_no_host_name_is_refused(name):
    with pytest.raises(ValueError, match="must be a host name"):
        NewDomain(name=name)
