"""The simulated cluster: what a deployer relies on in a real one, asked by the official client where the wire matters."""

import copy
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.simulators.kubernetes import managed
from control_plane.simulators.kubernetes.api import Simulation
from control_plane.simulators.kubernetes.cluster import ApiError, Cluster, matches
from control_plane.simulators.kubernetes.controllers import Controllers
from control_plane.simulators.kubernetes.kinds import BY_KIND
from control_plane.simulators.kubernetes.pods import ENFORCE, Behaviour, is_ready
from control_plane.simulators.kubernetes.quantities import quantity
from tests.support.kubernetes_cluster import serving

DEPLOYMENT, JOB, CONFIG, NAMESPACE = (
    BY_KIND[key] for key in (("apps/v1", "Deployment"), ("batch/v1", "Job"), ("v1", "ConfigMap"), ("v1", "Namespace"))
)
SECURE = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def container(**facts):
    return {"name": "app", "image": "clinic:1", "securityContext": SECURE, **facts}


def deployment(replicas=2, **spec):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "clinic", "namespace": "t1", "labels": {"app": "clinic"}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "clinic"}},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": {"app": "clinic"}}, "spec": {"containers": [container()], **spec}},
        },
    }


class World:
    def __init__(self):
        self.now = datetime(2027, 1, 1, tzinfo=UTC)
        self.rules = []
        self.cluster = Cluster(now=lambda: self.now)
        self.controllers = Controllers(self.cluster, self.rules)
        self.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "t1"}}, "tests")

    def apply(self, subject, manager="deployer", *, force=True):
        kind = BY_KIND[subject["apiVersion"], subject["kind"]]
        name, place = subject["metadata"]["name"], subject["metadata"].get("namespace", "")
        return self.cluster.apply(kind, place, name, copy.deepcopy(subject), manager, force=force)[0]

    def get(self, kind=DEPLOYMENT, name="clinic"):
        return self.cluster.get(kind, "t1" if kind.namespaced else "", name)

    def condition(self, kind, subject=None):
        found = [one for one in (subject or self.get())["status"]["conditions"] if one["type"] == kind]
        return (found[0]["status"], found[0].get("reason")) if found else None

    def images(self):
        return sorted(pod["spec"]["containers"][0]["image"] for pod in self.cluster.all_of("Pod", "t1"))


@pytest.fixture
def world():
    return World()


def config(**data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "t1"}, "data": data}


def test_applying_the_same_again_writes_nothing(world):
    first = world.apply(deployment())
    version, writes = first["metadata"]["resourceVersion"], world.cluster.writes
    again = world.apply(deployment())
    assert (again["metadata"]["resourceVersion"], again["metadata"]["generation"], world.cluster.writes) == (version, 1, writes)


def test_what_is_no_longer_applied_goes_and_what_others_set_stays(world):
    world.apply(config(a="1", b="2"))
    world.cluster.merge(CONFIG, "t1", "c", {"data": {"theirs": "x"}}, "kubectl")
    world.apply(config(b="2", c="3"))
    assert world.get(CONFIG, "c")["data"] == {"b": "2", "c": "3", "theirs": "x"}


def test_two_managers_of_one_field_conflict_unless_one_insists(world):
    world.apply(config(a="1"), "first")
    with pytest.raises(ApiError, match='conflict with "first": .data.a'):
        world.apply(config(a="2"), "second", force=False)
    assert world.get(CONFIG, "c")["data"] == {"a": "1"}
    world.apply(config(a="2"), "second")
    world.apply(config(b="1"), "first")
    assert world.get(CONFIG, "c")["data"] == {"a": "2", "b": "1"}, "what the second took is not the first's to remove"


def test_elements_of_lists_are_merged_by_their_key(world):
    mine = deployment()
    mine["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    world.apply(mine)
    theirs = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "clinic", "namespace": "t1"}}
    theirs["spec"] = {"template": {"spec": {"containers": [{"name": "app", "env": [{"name": "C", "value": "3"}]}]}}}
    world.apply(theirs, "injector")
    mine["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "B", "value": "4"}]
    world.apply(mine)

    found = world.get()["spec"]["template"]["spec"]["containers"]
    assert found[0]["env"] == [{"name": "B", "value": "4"}, {"name": "C", "value": "3"}]
    assert found[0]["image"] == "clinic:1"


def test_a_stale_version_an_immutable_field_and_a_missing_namespace_are_refused(world):
    first = world.apply(deployment())
    changed = copy.deepcopy(first)
    world.apply(deployment(replicas=3))
    with pytest.raises(ApiError, match="has been modified"):
        world.cluster.replace(changed, "tests")
    other = deployment()
    other["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    with pytest.raises(ApiError, match="immutable"):
        world.apply(other)
    with pytest.raises(ApiError, match='namespaces "nowhere" not found'):
        world.apply({**config(), "metadata": {"name": "c", "namespace": "nowhere"}})


def test_a_roll_out_never_has_fewer_ready_pods_than_asked(world):
    world.apply(deployment())
    world.controllers.settle()
    changed = deployment()
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "clinic:2"
    world.apply(changed)

    fewest, most = 9, 0
    while world.controllers.step():
        pods = world.cluster.all_of("Pod", "t1")
        fewest, most = min(fewest, sum(map(is_ready, pods))), max(most, len(pods))

    assert world.images() == ["clinic:2", "clinic:2"]
    assert (fewest, most) == (2, 3)
    status = world.get()["status"]
    assert (status["observedGeneration"], status["updatedReplicas"], status["availableReplicas"]) == (2, 2, 2)
    assert world.condition("Progressing") == ("True", "NewReplicaSetAvailable")


@pytest.mark.parametrize(
    ("behaviour", "seen"),
    [
        (Behaviour(image_missing=True), "ImagePullBackOff"),
        (Behaviour(crashes=True), "CrashLoopBackOff"),
        (Behaviour(init_exit=3, init_message="billing: migration failed"), "PodInitializing"),
        (Behaviour(unschedulable=True), None),
    ],
)
def test_a_release_that_does_not_start_leaves_the_old_pods_serving_and_passes_its_deadline(world, behaviour, seen):
    world.apply(deployment(initContainers=[container(name="processor")]))
    world.controllers.settle()
    world.rules.append((lambda pod: pod["spec"]["containers"][0]["image"] == "clinic:2", behaviour))
    changed = deployment(initContainers=[container(name="processor")])
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "clinic:2"
    world.apply(changed)
    for _ in range(20):
        world.controllers.step()

    assert world.images() == ["clinic:1", "clinic:1", "clinic:2"]
    assert world.condition("Progressing") == ("True", "ReplicaSetUpdated")
    world.now += timedelta(seconds=601)
    world.controllers.step()
    assert world.condition("Progressing") == ("False", "ProgressDeadlineExceeded")
    new = next(pod for pod in world.cluster.all_of("Pod", "t1") if pod["spec"]["containers"][0]["image"] == "clinic:2")
    if seen:
        assert new["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == seen
    if behaviour.init_exit:
        ended = new["status"]["initContainerStatuses"][0]["lastState"]["terminated"]
        assert (ended["exitCode"], ended["message"]) == (3, "billing: migration failed")


def test_pod_security_and_quotas_refuse_pods_and_the_deployment_says_why(world):
    world.cluster.merge(NAMESPACE, "", "t1", {"metadata": {"labels": {ENFORCE: "restricted"}}}, "tests")
    loose = deployment(replicas=1)
    loose["spec"]["template"]["spec"]["containers"] = [{"name": "app", "image": "clinic:1"}]
    world.apply(loose)
    world.controllers.settle()
    assert world.condition("ReplicaFailure") == ("True", "FailedCreate")

    world.apply(deployment(replicas=3))
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "t1"}, "spec": {"hard": {"pods": "2"}}}
    world.apply(quota)
    world.controllers.settle()
    assert len(world.cluster.all_of("Pod", "t1")) == 2
    failure = next(one for one in world.get()["status"]["conditions"] if one["type"] == "ReplicaFailure")
    assert "exceeded quota: q" in failure["message"]


def job(**spec):
    template = {"spec": {"restartPolicy": "Never", "containers": [container()]}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "t1"}, "spec": {"template": template, **spec}}


def test_a_job_succeeds_fails_after_its_tries_and_is_forgotten(world):
    world.apply(job(ttlSecondsAfterFinished=60))
    world.controllers.settle()
    assert world.condition("Complete", world.get(JOB, "j")) == ("True", None)
    world.now += timedelta(seconds=61)
    world.controllers.settle()
    assert world.cluster.all_of("Job") == world.cluster.all_of("Pod") == []

    world.rules.append((lambda pod: True, Behaviour(exit=1, message="no such table")))
    world.apply(job(backoffLimit=2))
    world.controllers.settle()
    assert world.condition("Failed", world.get(JOB, "j")) == ("True", "BackoffLimitExceeded")
    assert len(world.cluster.all_of("Pod", "t1")) == 3


def test_a_namespace_takes_everything_with_it_and_lets_nothing_new_in(world):
    world.apply(deployment())
    world.apply(config(a="1"))
    world.controllers.settle()
    world.cluster.delete(NAMESPACE, "", "t1")
    with pytest.raises(ApiError, match="being terminated"):
        world.apply({**config(), "metadata": {"name": "late", "namespace": "t1"}})
    world.controllers.settle()
    assert not [key for key in world.cluster.objects if "t1" in (key[2], key[3])]


def test_scaling_to_nothing_and_back(world):
    world.apply(deployment())
    world.controllers.settle()
    world.cluster.merge(DEPLOYMENT, "t1", "clinic", {"spec": {"replicas": 0}}, "waker")
    world.controllers.settle()
    assert world.cluster.all_of("Pod", "t1") == []
    world.cluster.merge(DEPLOYMENT, "t1", "clinic", {"spec": {"replicas": 1}}, "waker")
    world.controllers.settle()
    assert [is_ready(pod) for pod in world.cluster.all_of("Pod", "t1")] == [True]


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ("a=1", True),
        ("a==1,b=2", True),
        ("a!=1", False),
        ("c!=1", True),
        ("b", True),
        ("!b", False),
        ("a in (1,3)", True),
        ("a notin (1)", False),
    ],
)
def test_label_selectors(selector, fits):
    assert matches({"metadata": {"labels": {"a": "1", "b": "2"}}}, selector) is fits


def test_quantities():
    assert [int(quantity(text) * 1000) for text in ("100m", "1", "1.5", "1k", "1Ki")] == [100, 1000, 1500, 1_000_000, 1_024_000]


leaves = st.one_of(st.integers(0, 3), st.text("ab", max_size=2), st.lists(st.integers(0, 3), max_size=2))
trees = st.recursive(leaves, lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3), max_leaves=8)
specs = st.dictionaries(st.sampled_from("abcd"), trees, max_size=3).map(lambda spec: {"spec": spec} if spec else {})


@given(st.lists(specs, min_size=1, max_size=4))
def test_one_manager_alone_ends_with_exactly_what_it_applied_last(configs):
    live, managers = None, {}
    for one in configs:
        live, managers, conflicts = managed.apply(live, one, managers, "m", force=False)
        assert conflicts == []
    assert managed.paths_of(live) == managed.paths_of(configs[-1])


@given(specs, specs)
def test_applying_twice_changes_nothing_the_second_time(first, second):
    live, managers, _ = managed.apply(None, first, {}, "one", force=True)
    live, managers, _ = managed.apply(live, second, managers, "two", force=True)
    assert managed.apply(live, second, managers, "two", force=True)[:2] == (live, managers)


async def test_the_official_client_applies_watches_and_is_told_what_it_may_not():
    from kubernetes import aio

    simulation = Simulation()
    with serving(simulation) as url:
        configuration = aio.client.Configuration(host=url)
        async with aio.client.ApiClient(configuration) as api:
            core, apps = aio.client.CoreV1Api(api), aio.client.AppsV1Api(api)
            await core.create_namespace({"metadata": {"name": "t1"}})
            listed = await core.list_namespaced_config_map("t1")
            applied = await apps.patch_namespaced_deployment(
                "clinic", "t1", deployment(), field_manager="deployer", force=True, _content_type="application/apply-patch+yaml"
            )
            assert applied.metadata.managed_fields[0].manager == "deployer"

            ready = []
            async with aio.watch.Watch() as watch:
                async for event in watch.stream(apps.list_namespaced_deployment, "t1", timeout_seconds=20):
                    ready.append(event["object"].status.available_replicas or 0)
                    if ready[-1] == 2:
                        break
            assert sorted(ready) == ready

            await core.create_namespaced_config_map("t1", config(a="1"))
            simulation.cluster.compact()
            with pytest.raises(aio.client.ApiException) as expired:
                async with aio.watch.Watch() as watch:
                    stream = watch.stream(
                        core.list_namespaced_config_map, "t1", resource_version=listed.metadata.resource_version, timeout_seconds=5
                    )
                    async for _ in stream:
                        raise AssertionError("nothing of it is known any more")
            assert expired.value.status == 410

            simulation.cluster.allowed = frozenset({("get", "", "configmaps")})
            assert (await core.read_namespaced_config_map("c", "t1")).data == {"a": "1"}
            with pytest.raises(aio.client.ApiException) as forbidden:
                await core.read_namespaced_secret("s", "t1")
            assert forbidden.value.status == 403
            assert simulation.cluster.calls["patch", "apps", "deployments"] == 1
