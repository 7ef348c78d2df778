"""The deployer against a simulated cluster: what a clinic goes through there, and what goes wrong with it."""

import asyncio
import base64
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from control_plane.config import Settings
from control_plane.deployers.base import DeployerUnavailable, Need, ObservationStatus, Placement, RuntimeRefused
from control_plane.deployers.kubernetes.deployer import KubernetesDeployer
from control_plane.deployers.kubernetes.facts import MANAGER
from control_plane.simulators.kubernetes.api import Simulation
from control_plane.simulators.kubernetes.kinds import BY_KIND
from control_plane.simulators.kubernetes.pods import Behaviour
from dentalpin_kit.tokens import SigningKey
from tests.control_plane.deployers.kubernetes.clinics import revision
from tests.control_plane.deployers.kubernetes.conftest import DATABASE, IMAGE, NAMESPACE, REGISTRY, TENANT, World, of_generation
from tests.support.kubernetes_cluster import serving

ATTESTED, FAILED, STARTING, ABSENT = (ObservationStatus(each) for each in ("attested", "failed", "starting", "absent"))
DEPLOYMENT, SERVICE, NAMESPACES = (BY_KIND[key] for key in (("apps/v1", "Deployment"), ("v1", "Service"), ("v1", "Namespace")))


async def test_a_clinic_is_set_up_and_carried_out_again_without_a_write(world):
    seen = await world.settled()
    assert (seen.generation, seen.attestation.generation, seen.attestation.as_asked) == (1, 1, True)
    assert await world.deployer.address(TENANT) == "https://dental-sol.clinics.example"
    assert {glimpse.status for glimpse in (await world.deployer.survey()).values()} == {ATTESTED}
    assert not await world.deployer.would_restart(TENANT, DATABASE)
    managers = {
        one["manager"] for key, held in world.cluster.objects.items() if key[2] == NAMESPACE for one in held["metadata"]["managedFields"]
    }
    assert MANAGER in managers

    before = (world.writes(), world.cluster.writes)
    await world.apply()
    assert (world.writes(), world.cluster.writes) == before


async def test_passwords_are_made_once_and_the_platform_sees_verifiers_only(world):
    verifiers = await world.deployer.ensure_secrets(TENANT)
    first = world.get("Secret", "credentials")["data"]
    await world.settled()
    await world.deployer.ensure_secrets(TENANT)
    assert world.get("Secret", "credentials")["data"] == first
    assert verifiers.owner.startswith("SCRAM-SHA-256$4096:")
    password = base64.b64decode(first["app.password"]).decode()
    assert password in base64.b64decode(world.get("Secret", "clinic")["data"]["app.url"]).decode()
    assert password not in verifiers.app


async def test_a_module_goes_in_two_phases_pods_without_it_first(world):
    await world.settled()
    seen_by_job = []
    world.rule(
        lambda pod: (
            pod["metadata"]["labels"]["app.kubernetes.io/component"] == "removal"
            and not seen_by_job.append(
                {one["metadata"]["labels"]["dentalpin.io/generation"] for one in world.cluster.all_of("Pod", NAMESPACE)}
            )
        ),
        Behaviour(),
    )
    seen = await world.settled(2, ("patients",))
    assert seen.attestation.as_asked
    assert [module.name for module in seen.attestation.modules] == ["patients"]
    assert seen_by_job[0] == {"2"}, "no pod that serves the module was left"


async def test_a_removal_that_fails_says_why_and_is_tried_again_by_carrying_out_again(world):
    await world.settled()
    told = (
        '{"code": "x", "message": "not as asked", "modules": [{"name": "agenda", "outcome": "refused", "reason": "rows are referenced"}]}'
    )
    failing = (lambda pod: pod["metadata"]["labels"]["app.kubernetes.io/component"] == "removal", Behaviour(exit=3, message=told))
    world.simulation.controllers.pods.rules.append(failing)
    await world.apply(2, ("patients",))
    seen = await world.until(FAILED)
    assert "agenda: rows are referenced" in seen.reason
    assert seen.attestation.generation == 2, "the pods serve without it meanwhile"
    world.simulation.controllers.pods.rules.remove(failing)
    await world.apply(2, ("patients",))
    assert (await world.until(ATTESTED)).attestation.as_asked


REPORT = '{"message": "not every module is as asked", "modules": [{"name": "billing", "reason": "duplicate key"}]}'
FAULTS = {
    "migration": (Behaviour(init_exit=3, init_message=REPORT), "billing: duplicate key"),
    "image": (Behaviour(image_missing=True), "cannot be pulled"),
    "crash": (Behaviour(crashes=True, message="DATABASE_URL is not set"), "DATABASE_URL is not set"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_release_that_does_not_start_leaves_the_old_pods_serving_and_a_mended_one_heals(world, fault):
    behaviour, reason = FAULTS[fault]
    await world.settled()
    world.rule(of_generation(2), behaviour)
    await world.apply(2, image="registry.example/dentalpin/runtime:2")
    seen = await world.until(FAILED, reason=reason)
    assert (seen.generation, seen.attestation.generation) == (2, 1), "what serves is the revision before, and says so"
    assert len([pod for pod in world.cluster.all_of("Pod", NAMESPACE) if of_generation(1)(pod)]) == 2
    await world.deployer.request(TENANT, "GET", "/api/v1/-/anything", token="t")
    assert (await world.settled(3, image=IMAGE)).attestation.generation == 3


async def test_no_room_in_the_cluster_is_waited_for_until_the_deadline_and_told_all_along(world):
    await world.settled()
    world.rule(of_generation(2), Behaviour(unschedulable=True))
    await world.apply(2)
    await world.until(STARTING, reason="No node has room")
    now = world.cluster.now()
    world.cluster.now = lambda: now + timedelta(seconds=601)
    assert "Insufficient memory" in (await world.until(FAILED, reason="No node has room")).reason


async def test_a_quota_gives_its_own_reason(world):
    await world.settled()
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "theirs", "namespace": NAMESPACE}}
    world.cluster.create({**quota, "spec": {"hard": {"pods": "2"}}}, "somebody")
    await world.apply(2)
    assert "exceeded quota: theirs" in (await world.until(FAILED, reason="quota")).reason


async def test_what_the_account_may_not_do_is_said_with_what_to_do(world):
    world.cluster.allowed = frozenset({("get", "", "namespaces"), ("patch", "", "namespaces")})
    with pytest.raises(RuntimeRefused, match="cannot get resource") as refused:
        await world.deployer.ensure_secrets(TENANT)
    assert refused.value.runtime_code == "cluster_forbidden"
    assert "rbac" in refused.value.message


async def test_another_field_manager_is_named_and_taken_over_from_only_when_told(world):
    await world.settled()
    world.cluster.merge(SERVICE, NAMESPACE, "clinic", {"spec": {"type": "NodePort"}}, "kubectl-edit")
    with pytest.raises(RuntimeRefused, match='conflict with "kubectl-edit"') as refused:
        await world.apply(2)
    assert refused.value.runtime_code == "field_conflict"
    assert world.get("Service", "clinic")["spec"]["type"] == "NodePort"
    world.cluster.merge(NAMESPACES, "", NAMESPACE, {"metadata": {"annotations": {"dentalpin.io/take-over": "yes"}}}, "kubectl-annotate")
    await world.settled(2)
    assert world.get("Service", "clinic")["spec"]["type"] == "ClusterIP"
    assert "dentalpin.io/take-over" not in world.get("Namespace", NAMESPACE, "")["metadata"].get("annotations", {})


async def test_later_passwords_replace_the_pods_and_the_earlier_ones_are_forgotten(world):
    await world.settled()
    before = world.get("Secret", "credentials")["data"]
    earlier = world.get("Secret", "clinic")["data"]["app.url"]
    later = replace(DATABASE, owner_role=f"{DATABASE.owner_role}_b", app_role=f"{DATABASE.app_role}_b", serial=1)
    verifiers = [await world.deployer.ensure_secrets(TENANT, 1) for _ in range(2)]
    assert await world.deployer.would_restart(TENANT, later)
    same = revision(TENANT, generation=1, modules=("patients", "agenda"), limits={"users": 25})
    await world.deployer.apply(Placement(TENANT, "dental-sol", "Dental Sol", f"oci://{IMAGE}"), same, later)

    assert (await world.until(ATTESTED)).generation == 1
    assert not await world.deployer.would_restart(TENANT, later)
    after = world.get("Secret", "credentials")["data"]
    assert before.items() <= after.items()
    assert (len(verifiers), after.keys() - before.keys()) == (2, {"owner.1.password", "app.1.password"})
    url = base64.b64decode(world.get("Secret", "clinic")["data"]["app.url"]).decode()
    assert f"_b:{base64.b64decode(after['app.1.password']).decode()}@" in url
    assert world.get("Secret", "clinic")["data"]["app.url"] != earlier

    await world.deployer.forget_secrets(TENANT, keep=1)
    assert world.get("Secret", "credentials")["data"].keys() == {"owner.1.password", "app.1.password", "secret.key", "data.key"}
    # A clinic that is put to sleep is rendered from what the cluster says of it.
    await world.deployer.stop(TENANT)
    assert "_b:" in base64.b64decode(world.get("Secret", "clinic")["data"]["app.url"]).decode()


async def test_passwords_that_two_add_at_once_are_those_of_one(world):
    await world.deployer.ensure_secrets(TENANT)
    await asyncio.gather(*(world.deployer.ensure_secrets(TENANT, 1) for _ in range(4)), return_exceptions=True)
    made = world.get("Secret", "credentials")["data"]
    await world.deployer.ensure_secrets(TENANT, 1)
    assert world.get("Secret", "credentials")["data"] == made


async def test_an_api_server_that_is_down_is_said_and_found_again(world):
    await world.settled()
    world.simulation.away = True
    with pytest.raises(DeployerUnavailable, match="503"):
        await world.apply(2)
    with pytest.raises(DeployerUnavailable):
        for _ in range(200):
            await world.deployer.survey()
            await world.handle.mirror.moved(0.1)
    world.simulation.away = False
    await world.apply(2)
    for _ in range(100):
        try:
            assert (await world.until(ATTESTED)).generation == 2
            break
        except DeployerUnavailable:
            await world.handle.mirror.moved(0.2)
    else:
        pytest.fail("the cluster is never found again")


async def test_what_is_no_longer_rendered_goes_and_what_is_missing_comes_back(world):
    await world.settled(needs=(Need("internet", 443),))
    assert "needs" in world.names("NetworkPolicy")
    await world.settled(2)
    assert "needs" not in world.names("NetworkPolicy")
    world.cluster.delete(SERVICE, NAMESPACE, "clinic")
    await world.apply(2)
    assert world.names("Service") == {"clinic"}
    await world.settled(3)
    assert world.names("ConfigMap") == {"revision-2", "revision-3"} or world.names("ConfigMap") == {"revision-3"}
    assert world.names("Secret") == {"clinic", "credentials"}


async def test_sleeping_and_waking_are_one_patch_of_the_pods_and_one_of_the_nightly_archive_each(world):
    await world.settled()
    before = world.cluster.calls["patch", "apps", "deployments"], world.writes()
    await world.deployer.stop(TENANT)
    assert world.cluster.all_of("Pod", NAMESPACE) == []
    assert world.get("CronJob", "backup")["spec"]["suspend"], "no archive is written while a clinic is restored or erased"
    assert (await world.deployer.observe(TENANT)).status == ABSENT
    with pytest.raises(DeployerUnavailable, match="stopped"):
        await world.deployer.request(TENANT, "GET", "/", token="t")
    await world.apply()
    assert (await world.until(ATTESTED)).generation == 1
    assert (world.cluster.calls["patch", "apps", "deployments"] - before[0], world.writes() - before[1]) == (2, 4)
    assert not world.get("CronJob", "backup")["spec"]["suspend"]


async def test_a_volume_grows_with_the_plan_and_stays_as_it_was_made_otherwise(world):
    await world.settled(limits={"users": 25, "storage_gb": 100})
    volume = world.get("PersistentVolumeClaim", "storage")
    await world.settled(2, limits={"users": 25, "storage_gb": 20})
    assert world.get("PersistentVolumeClaim", "storage")["spec"] == volume["spec"], "a smaller plan takes nothing from what is stored"
    object.__setattr__(
        world.handle, "facts", world.handle.facts.model_copy(update={"storage_class": "fast", "access_mode": "ReadWriteOnce"})
    )
    await world.settled(3, limits={"users": 25, "storage_gb": 200})
    grown = world.get("PersistentVolumeClaim", "storage")["spec"]
    assert (grown["resources"], grown["accessModes"]) == ({"requests": {"storage": "200Gi"}}, ["ReadWriteMany"])


async def test_a_cluster_that_is_away_hides_no_clinic_of_another(world, tmp_path):
    await world.settled()
    away = Simulation()
    with serving(away) as url:
        other = World(away, url, tmp_path)
        await other.settled()
        both = KubernetesDeployer(Settings(database_url="postgresql://nobody", data=tmp_path), SigningKey.generate(), Several(world, other))
        assert len(await both.survey()) == 1, "the same clinic in both"
        away.away = True
        while other.handle.mirror.answers:
            await other.handle.mirror.moved(0.1)
        assert {glimpse.status for glimpse in (await both.survey()).values()} == {ATTESTED}
        assert set(await both.control_channels()) <= {TENANT}
        world.simulation.away = True
        while world.handle.mirror.answers:
            await world.handle.mirror.moved(0.1)
        with pytest.raises(DeployerUnavailable):
            await both.survey()
        await other.deployer.close()


class Several:
    def __init__(self, *worlds):
        self.worlds = worlds

    async def all(self):
        return [world.handle for world in self.worlds]


async def test_going_back_to_an_older_generation_is_refused(world):
    await world.settled(2)
    with pytest.raises(RuntimeRefused) as refused:
        await world.apply(1)
    assert refused.value.runtime_code == "older_generation"


async def test_a_clinic_that_is_removed_leaves_nothing_and_may_be_set_up_again(world):
    await world.settled()
    await world.deployer.remove(TENANT)
    assert not [key for key in world.cluster.objects if NAMESPACE in (key[2], key[3])]
    await world.deployer.remove(TENANT)
    assert (await world.deployer.observe(TENANT)).status == ABSENT
    await world.settled()


async def test_a_watch_that_falls_silent_or_is_compacted_away_is_begun_anew(simulation, tmp_path):
    with serving(simulation) as url:
        world = World(simulation, url, tmp_path, resync=60.0, silence=0.6)
        await world.settled()
        lists = world.handle.mirror.lists
        simulation.silent = True
        await world.apply(2)
        assert (await world.until(ATTESTED)).generation == 2, "found by listing, since no watch tells it"
        simulation.silent = False
        world.cluster.compact()
        assert (await world.settled(3)).generation == 3
        assert world.handle.mirror.lists > lists
        await world.deployer.close()
        simulation.away = True
        await asyncio.sleep(0)


async def pieces_of(content):
    yield content


async def test_files_and_exports_are_carried_by_a_job_that_is_gone_afterwards(world, tmp_path):
    await world.settled()
    before = world.get("Secret", "clinic")["data"]["data.key"]
    world.simulation.runtimes.restored_key = "the key of the backup"
    await world.deployer.replace_files(TENANT, pieces_of(b"a tar"))
    assert b"".join([piece async for piece in world.deployer.files(TENANT)]) == b"a tar"
    await world.deployer.export(Placement(TENANT, "dental-sol", "Dental Sol"), tmp_path / "archive.zip")
    assert (tmp_path / "archive.zip").read_bytes() == b"a tar"
    assert world.names("Job") == set()
    assert "courier" not in world.names("NetworkPolicy")

    await world.apply()
    after = world.get("Secret", "clinic")["data"]["data.key"]
    assert (after != before, base64.b64decode(after)) == (True, b"the key of the backup")


async def test_files_are_put_where_nothing_was_ever_deployed(world):
    """A copy of a clinic: its files come before it runs."""
    await world.deployer.ensure_secrets(TENANT)
    placement, document = Placement(TENANT, "dental-sol", "Dental Sol", f"oci://{IMAGE}"), revision(TENANT)
    world.simulation.runtimes.restored_key = "the key of the backup"
    await world.deployer.make_room(placement, document, DATABASE)
    await world.deployer.replace_files(TENANT, pieces_of(b"a tar"))
    assert not [name for name in world.names("Pod") if not name.startswith("courier")], "nothing of it has run"
    await world.deployer.apply(placement, document, DATABASE)
    assert (await world.until(ATTESTED)).generation == 1
    await world.deployer.make_room(placement, document, DATABASE)
    assert world.get("Deployment", "clinic")["spec"]["replicas"] == 1, "what runs is left alone"
    assert base64.b64decode(world.get("Secret", "clinic")["data"]["data.key"]) == b"the key of the backup"


async def test_images_are_pulled_with_the_platforms_credentials_where_it_has_some(world):
    world.pull_with(REGISTRY)
    await world.settled()
    held = world.get("Secret", "registry")
    assert (held["type"], base64.b64decode(held["data"][".dockerconfigjson"]).decode()) == ("kubernetes.io/dockerconfigjson", REGISTRY)
    seen = []
    world.rule(lambda pod: seen.append(pod["spec"].get("imagePullSecrets")), Behaviour())
    await world.settled(2, ("patients",))
    await world.deployer.export(Placement(TENANT, "dental-sol", "Dental Sol"), world.folder / "archive.zip")
    backup = world.get("CronJob", "backup")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert [each for each in (*seen, backup["imagePullSecrets"]) if each != [{"name": "registry"}]] == []
    world.pull_with(None)
    await world.settled(3, ("patients",))
    assert world.names("Secret") == {"clinic", "credentials"}


REHEARSING = {
    "well": (Behaviour(), (True, None, ())),
    "failing": (Behaviour(exit=3, message=REPORT), (False, "billing: duplicate key", ("billing",))),
    "no image": (Behaviour(image_missing=True), (False, "cannot be pulled", ())),
}


@pytest.mark.parametrize("case", REHEARSING)
async def test_a_release_is_rehearsed_on_a_copy_beside_the_clinic_and_nothing_of_it_stays(world, case):
    behaviour, (ok, problem, modules) = REHEARSING[case]
    await world.settled()
    seen = []
    component = "app.kubernetes.io/component"
    world.rule(
        lambda pod: pod["metadata"]["labels"][component] == "rehearsal" and not seen.append((pod, world.get("Secret", "rehearsal"))),
        behaviour,
    )
    copy = replace(DATABASE, name=f"{DATABASE.name}_rehearsal")
    other = "registry.example/dentalpin/runtime@sha256:" + "c" * 64
    found = await world.deployer.rehearse(Placement(TENANT, "dental-sol", "Dental Sol", f"oci://{other}"), copy)

    assert (found.ok, problem is None or problem in found.problem, tuple(one["name"] for one in found.modules)) == (ok, True, modules)
    pod, secret = seen[0]
    assert pod["spec"]["containers"][0]["image"] == other
    assert not [one for one in pod["spec"]["volumes"] if "persistentVolumeClaim" in one or "configMap" in one], (
        "nothing of the clinic's own"
    )
    assert base64.b64decode(secret["data"]["owner.url"]).decode().endswith(f"/{copy.name}")
    assert (world.names("Job"), "rehearsal" in world.names("Secret")) == (set(), False)
    assert (await world.until(ATTESTED)).generation == 1, "the clinic goes on serving"


async def test_a_courier_that_cannot_start_says_why(world):
    await world.settled()
    world.rule(lambda pod: pod["metadata"]["labels"]["app.kubernetes.io/component"] == "courier", Behaviour(image_missing=True))
    with pytest.raises(DeployerUnavailable, match="volume cannot be reached: .* cannot be pulled"):
        await anext(world.deployer.files(TENANT))
    assert world.names("Job") == set()
    with pytest.raises(RuntimeRefused, match="was ever set up"):
        await anext(world.deployer.files(UUID(int=99)))
