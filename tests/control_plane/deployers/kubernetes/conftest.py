"""A deployer on a simulated cluster, asked over HTTP as a real one; the cluster moves by itself, unless a test holds it."""

import asyncio
import time

import pytest
import yaml

from control_plane.config import Settings
from control_plane.databases.names import app_role, database_name, owner_role
from control_plane.deployers.base import DatabaseAddress, DeployerUnavailable, Placement
from control_plane.deployers.kubernetes.api import Api
from control_plane.deployers.kubernetes.deployer import KubernetesDeployer
from control_plane.deployers.kubernetes.facts import ClusterFacts, namespace_of
from control_plane.deployers.kubernetes.handles import Handle
from control_plane.deployers.kubernetes.watching import Mirror
from control_plane.simulators.kubernetes.api import Simulation
from control_plane.simulators.kubernetes.kinds import BY_KIND
from dentalpin_kit.tokens import SigningKey
from tests.control_plane.deployers.kubernetes.clinics import CLINICS, revision
from tests.support.kubernetes_cluster import serving

IMAGE = "registry.example/dentalpin/runtime@sha256:" + "a" * 64
TENANT = CLINICS["small"][0].tenant_id
REGISTRY = '{"auths": {"registry.example": {"auth": "bm90LWEtc2VjcmV0"}}}'
NAMESPACE = namespace_of(TENANT)
DATABASE = DatabaseAddress("db.example", 5432, database_name(TENANT), owner_role(TENANT), app_role(TENANT))


class OneCluster:
    def __init__(self, handle):
        self.handle = handle

    async def of(self, tenant_id):
        return self.handle

    async def all(self):
        return [self.handle]

    async def close(self):
        await self.handle.close()


def kubeconfig(url):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": "one", "cluster": {"server": url}}],
        "users": [{"name": "platform", "user": {"token": "not-a-secret"}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "platform"}}],
    }


class World:
    """A simulated cluster, the deployer on it, and one clinic."""

    def __init__(self, simulation, url, tmp_path, **mirror):
        self.simulation, self.cluster = simulation, simulation.cluster
        api = Api("one", kubeconfig(url))
        self.handle = Handle("one", ClusterFacts(domain="clinics.example", reach="proxy"), api, Mirror(api, **mirror))
        self.folder, self._key = tmp_path, SigningKey.generate()
        self.pull_with(None)

    def pull_with(self, registry):
        """Another process of the platform, with these credentials of a registry."""
        settings = Settings(database_url="postgresql://nobody", data=self.folder, runtime_registry=registry)
        self.deployer = KubernetesDeployer(settings, self._key, OneCluster(self.handle))

    async def apply(self, generation=1, modules=("patients", "agenda"), *, image=IMAGE, limits=None, **placed):
        placement = Placement(TENANT, "dental-sol", "Dental Sol", f"oci://{image}", **placed)
        document = revision(TENANT, generation=generation, modules=modules, limits=limits or {"users": 25})
        await self.deployer.ensure_secrets(TENANT)
        await self.deployer.apply(placement, document, DATABASE)

    async def until(self, status, *, reason="", within=15.0):
        """Observe until it is so; the observation."""
        end = time.monotonic() + within
        while True:
            try:
                seen = await self.deployer.observe(TENANT)
                if seen.status == status and reason in (seen.reason or ""):
                    return seen
            except DeployerUnavailable as unavailable:
                # A pod may go between the look at the cluster and the question to it; the worker asks again as well.
                seen = unavailable
            assert time.monotonic() < end, seen
            await self.handle.mirror.moved(0.2)

    async def settled(self, generation=1, modules=("patients", "agenda"), **how):
        await self.apply(generation, modules, **how)
        return await self.until("attested")

    def rule(self, fits, behaviour):
        self.simulation.controllers.pods.rules.insert(0, (fits, behaviour))

    def get(self, kind, name, namespace=NAMESPACE):
        key = next(key for key in BY_KIND if key[1] == kind)
        return self.cluster.get(BY_KIND[key], namespace, name)

    def names(self, kind):
        return {one["metadata"]["name"] for one in self.cluster.all_of(kind, NAMESPACE)}

    def writes(self):
        """How often anything of the clinic's was written since."""
        return sum(count for (verb, *_), count in self.cluster.calls.items() if verb in ("create", "patch", "update", "delete"))


@pytest.fixture
def simulation():
    return Simulation()


@pytest.fixture
async def world(simulation, tmp_path):
    with serving(simulation) as url:
        found = World(simulation, url, tmp_path)
        yield found
        await found.deployer.close()
        # Watches that are still open end with the server.
        simulation.away = True
        await asyncio.sleep(0)


def of_generation(number):
    return lambda pod: pod["metadata"]["labels"].get("dentalpin.io/generation") == str(number)


def as_yaml(subject):
    return yaml.safe_dump(subject)
