"""Facts → manifests: golden files, the rules of the oldest and newest Kubernetes, and what may change without a pod being replaced."""

import base64
import json
from dataclasses import replace

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.deployers.base import Need
from control_plane.deployers.kubernetes.facts import namespace_of, tenant_of
from control_plane.deployers.kubernetes.rendering import ORDER, render, render_courier, render_namespace, render_rehearsal, render_removal
from control_plane.deployers.kubernetes.sizes import size_of
from control_plane.simulators.kubernetes.cluster import Cluster
from control_plane.simulators.kubernetes.pods import refusal
from tests.control_plane.deployers.kubernetes.clinics import (
    CLINICS,
    CLUSTER,
    CREDENTIALS,
    GOLDEN,
    ONE_NODE,
    clinic,
    golden_of,
    manifests_of,
)
from tests.support.kubernetes_schemas import NEWEST, OLDEST, NotTaken, judge


def by_kind(manifests, kind, name="clinic"):
    return next(one for one in manifests.objects if (one["kind"], one["metadata"]["name"]) == (kind, name))


@pytest.mark.parametrize("name", CLINICS)
def test_the_manifests_are_as_the_golden_file_has_them(name):
    wanted = (GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")
    assert golden_of(name) == wanted, "written anew by: python -m tests.control_plane.deployers.kubernetes.clinics"


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", CLINICS)
def test_the_oldest_and_the_newest_kubernetes_take_every_object(name, version):
    judge(yaml.safe_load_all((GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")), [version])


def test_the_validation_refuses_what_kubernetes_does_not_know():
    with pytest.raises(NotTaken, match="refuses Deployment clinic"):
        judge([{**manifests_of("small").deployment, "spec": {"replicass": 1}}])


@pytest.mark.parametrize("name", CLINICS)
def test_every_pod_is_taken_by_the_restricted_standard_and_fits_the_quota(name):
    """Whatever is admitted: pods that serve, one more in a roll-out, every job, the backup."""
    facts, cluster = CLINICS[name]
    manifests = manifests_of(name)
    world = Cluster()
    for one in manifests.objects:
        if one["kind"] in ("Namespace", "ResourceQuota"):
            world.create(json.loads(json.dumps(one)), "tests")
    backup = by_kind(manifests, "CronJob", "backup")["spec"]["jobTemplate"]
    templates = [manifests.deployment["spec"]["template"]] * (size_of(facts.revision["limits"]).replicas + 1)
    jobs = [render_removal(facts, cluster), render_courier(facts, cluster)[0], render_rehearsal(facts, cluster, {})[-1], backup]
    for number, template in enumerate([*templates, *(job["spec"]["template"] for job in jobs)]):
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"p{number}", "namespace": facts.namespace},
            "spec": template["spec"],
        }
        assert refusal(world, facts.namespace, pod) is None
        world.create(pod, "tests")


@pytest.mark.parametrize("name", CLINICS)
def test_no_secret_stands_outside_the_secret(name):
    manifests = manifests_of(name)
    hidden = [CREDENTIALS.owner_password, CREDENTIALS.app_password, CREDENTIALS.secret_key, CREDENTIALS.data_key]
    others = json.dumps([one for one in manifests.objects if one["kind"] != "Secret"])
    assert not [secret for secret in hidden if secret in others or base64.b64encode(secret.encode()).decode() in others]


def test_what_serves_has_no_way_to_the_owner_of_the_tables():
    serving = manifests_of("small").deployment["spec"]["template"]["spec"]["containers"][0]
    assert "owner" not in {one["name"] for one in serving["volumeMounts"]}
    assert not [one for one in serving["env"] if one["name"].startswith("OWNER")]


def test_only_what_a_module_declares_lets_its_pods_out():
    def ways_out(manifests):
        return [one for one in manifests.objects if one["kind"] == "NetworkPolicy" and "Egress" in one["spec"]["policyTypes"]]

    facts, _ = CLINICS["several-needs"]
    quiet = {one["metadata"]["name"] for one in ways_out(render(replace(facts, needs=()), ONE_NODE, {}))}
    assert quiet == {"default-deny", "base"}
    needs = by_kind(manifests_of("several-needs"), "NetworkPolicy", "needs")["spec"]["egress"]
    assert [(rule["ports"][0]["port"], rule["to"][0]["ipBlock"]["cidr"]) for rule in needs] == [
        (8443, "203.0.113.0/28"),
        (443, "0.0.0.0/0"),
    ]
    assert "10.0.0.0/8" in needs[1]["to"][0]["ipBlock"]["except"], "the internet is not the neighbours"


@pytest.mark.parametrize(
    ("change", "restarts"),
    [
        ({"suspended": True}, False),
        ({"domains": ("cita.example.org",)}, False),
        ({"needs": (Need("internet", 443),)}, False),
        ({"name": "Dental Sol & Mar"}, False),
        ({"image": "registry.example/other@sha256:" + "b" * 64}, True),
        ({"credentials_serial": 1}, True),
        ({"revision": clinic(1, "dental-sol", generation=2).revision}, True),
    ],
)
def test_pods_are_replaced_for_what_they_run_and_nothing_else(change, restarts):
    facts, cluster = CLINICS["small"]
    before, after = render(facts, cluster, {}), render(replace(facts, **change), cluster, {})
    assert (after.pod_digest != before.pod_digest) is restarts
    if restarts:
        assert after.digest != before.digest


def test_sleeping_leaves_the_digest_as_it_is_and_another_secret_changes_it_without_replacing_pods():
    facts, cluster = CLINICS["small"]
    awake, asleep, other = (
        render(each, cluster, {"app.url": text, "secret.key": "k" * 32})
        for each, text in ((facts, "a"), (replace(facts, suspended=True), "a"), (facts, "b"))
    )
    assert awake.digest == asleep.digest != other.digest
    assert awake.pod_digest == other.pod_digest


@settings(max_examples=25, deadline=None)
@given(
    name=st.text(min_size=1, max_size=60),
    text=st.text(max_size=40),
    annotations=st.dictionaries(st.from_regex(r"\A[a-z]{1,10}/[a-z]{1,10}\Z"), st.text(max_size=20), max_size=2),
)
def test_no_text_breaks_out_of_its_place(name, text, annotations):
    facts, _ = CLINICS["small"]
    revision = {**facts.revision, "tenant": {**facts.revision["tenant"], "name": name}}
    cluster = CLUSTER.model_copy(update={"ingress_annotations": annotations})
    manifests = render(replace(facts, name=name, revision=revision), cluster, {"secret.key": text})
    assert len(manifests.objects) == len(manifests_of("small").objects)
    assert json.loads(by_kind(manifests, "ConfigMap", "revision-1")["data"]["revision.json"])["tenant"]["name"] == name
    assert base64.b64decode(by_kind(manifests, "Secret")["data"]["secret.key"]).decode() == text
    found = by_kind(manifests, "Ingress")["metadata"]["annotations"]
    assert {key: value for key, value in found.items() if key in annotations} == annotations


def test_the_namespace_comes_first_and_the_deployment_that_vouches_for_all_comes_last():
    kinds = [one["kind"] for one in manifests_of("large").objects]
    assert (kinds[0], kinds[-1], ORDER[-1]) == ("Namespace", "Deployment", "clinic")
    facts, _ = CLINICS["large"]
    assert render_namespace(facts.tenant_id) == manifests_of("large").objects[0]


def test_namespaces_are_named_by_the_tenant_and_tell_it():
    facts, _ = CLINICS["small"]
    assert tenant_of(namespace_of(facts.tenant_id)) == facts.tenant_id
    assert [tenant_of(name) for name in ("default", "clinic-12", "clinic-" + "z" * 32)] == [None, None, None]
