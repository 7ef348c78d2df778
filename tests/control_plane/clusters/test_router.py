"""Clusters are registered over the API, tried first; the platform's own worker sets clinics up there, and takes them away."""

import json
from uuid import UUID

import pytest

from control_plane.clusters.clusters import PlacedClusters
from control_plane.clusters.models import ClinicPlace, ClusterRow
from control_plane.clusters.service import secret_context
from control_plane.deployers.kubernetes.deployer import KubernetesDeployer
from control_plane.deployers.kubernetes.facts import namespace_of
from control_plane.operations.worker import Worker
from control_plane.simulators.kubernetes.api import Simulation
from control_plane.tenants.models import Tenant
from tests.control_plane.deployers.kubernetes.conftest import kubeconfig
from tests.support.kubernetes_cluster import serving

FACTS = {"domain": "clinics.example", "reach": "proxy"}


@pytest.fixture
def simulation():
    found = Simulation()
    with serving(found) as url:
        found.url = url
        yield found
        found.away = True


def cluster(simulation, **changes):
    return {"name": "madrid", "region": "eu-south", "facts": FACTS, "kubeconfig": json.dumps(kubeconfig(simulation.url)), **changes}


async def test_a_clinic_lives_in_a_cluster_from_sign_up_to_deletion(client, platform, simulation):
    """Through the API and the worker: the deployer's cluster is simulated, everything else is the platform itself."""
    platform.settings.runtime_image = "registry.example/runtime@sha256:" + "a" * 64
    deployer = KubernetesDeployer(platform.settings, platform.key, PlacedClusters(platform.database, platform.vault, platform.clock.now))
    object.__setattr__(platform, "deployer", deployer)
    registered = await client.post("/v1/clusters", json=cluster(simulation))
    assert registered.status_code == 201, registered.text
    assert "kubeconfig" not in registered.json()
    body = {"name": "Sol", "slug": "sol", "country": "ES", "owner_email": "ana@sol.example", "modules": ["agenda"]}
    created = await client.post("/v1/tenants", json=body)
    tenant_id = UUID(created.json()["tenant"]["id"])
    worker = Worker(platform, platform.servers.own, name="worker-1")
    await worker.drain()

    async with platform.database.transaction() as session:
        tenant = await session.get(Tenant, tenant_id)
        placed = await session.get(ClinicPlace, tenant_id)
        row = await session.get(ClusterRow, "madrid")
    assert (tenant.state, tenant.url, placed.cluster) == ("active", "https://sol.clinics.example", "madrid"), tenant.state_reason
    assert b"not-a-secret" not in row.sealed_kubeconfig
    assert b"not-a-secret" in platform.vault.open(row.sealed_kubeconfig, secret_context("madrid"))
    assert (await client.get("/v1/clusters/madrid")).json()["clinics"] == 1
    assert (await client.delete("/v1/clusters/madrid")).json()["code"] == "cluster_in_use"
    assert any(key[3] == namespace_of(tenant_id) for key in simulation.cluster.objects)
    changed = await client.put("/v1/tenants/sol/modules", json={"modules": []})
    assert changed.status_code in (200, 202), changed.text
    await worker.drain()
    assert (await client.get("/v1/tenants/sol")).json()["state"] == "active"
    await deployer.remove(tenant_id)
    assert not [key for key in simulation.cluster.objects if namespace_of(tenant_id) in (key[2], key[3])]
    await deployer.close()


async def test_a_cluster_that_does_not_answer_or_starts_programs_is_not_registered(client, simulation):
    away = kubeconfig("http://127.0.0.1:1")
    program = {**away, "users": [{"name": "x", "user": {"exec": {"command": "aws"}}}]}
    reading = {**away, "users": [{"name": "x", "user": {"tokenFile": "/etc/passwd"}}]}
    refused = ((away, "cluster_unusable"), (program, "invalid_request"), (reading, "invalid_request"), ({"a": "b"}, "invalid_request"))
    for given, code in refused:
        answer = await client.post("/v1/clusters", json=cluster(simulation, kubeconfig=json.dumps(given)))
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    simulation.cluster.allowed = frozenset()
    forbidden = await client.post("/v1/clusters", json=cluster(simulation))
    assert forbidden.json()["code"] == "cluster_unusable"
    assert (await client.get("/v1/clusters")).json()["items"] == []
    simulation.cluster.allowed = None
    assert (await client.post("/v1/clusters", json=cluster(simulation))).status_code == 201
    assert (await client.post("/v1/clusters", json=cluster(simulation))).json()["code"] == "cluster_taken"
    less = await client.patch("/v1/clusters/madrid", json={"capacity": 7, "accepting": False})
    assert (less.json()["capacity"], less.json()["accepting"]) == (7, False)
    assert (await client.delete("/v1/clusters/madrid")).status_code == 200
