"""charts/control-plane: what it makes, what it refuses, and that it says to the platform what the platform reads."""

import asyncio
import json
import os
import re
import subprocess
import time

import pytest
import yaml
from pydantic import AliasChoices

from control_plane.config import Settings
from control_plane.worker import ALIVE, beat
from tests.support.charts import ROOT, Refused, assert_restricted, call, only, pods, refusals, render
from tests.support.kubernetes_schemas import judge

CHART = "control-plane"
EVERYTHING = {
    "image": {"repository": "dentalpin/control-plane", "digest": "sha256:" + "a" * 64, "pullSecrets": [{"name": "pull"}]},
    "publicUrl": "https://app.clinic.example",
    "mail": {"from": "DentalPin <a@b.example>", "operators": "ops@b.example"},
    "objectStore": {"url": "s3://bucket/platform", "endpoint": "https://s3.eu.example", "region": "eu-central"},
    "tenantDatabases": {"host": "db.internal", "region": "eu-central", "proofs": ["HDS-2024"], "capacity": 200},
    "extraEnv": {"DENTALPIN_EXPORT_DAYS": "30"},
    "ingress": {"extraHosts": ["praxis.example"]},
    "podAnnotations": {"dentalpin.io/secret": "abc"},
    "networkPolicy": {"extraEgress": [{"to": [{"ipBlock": {"cidr": "169.254.20.10/32"}}], "ports": [{"port": 53, "protocol": "UDP"}]}]},
    "monitoring": {"serviceMonitor": {"enabled": True}, "rules": {"enabled": True}, "dashboard": {"enabled": True}},
    "nodeSelector": {"pool": "platform"},
    "tolerations": [{"key": "platform", "operator": "Exists"}],
}
BARE = {
    "ingress": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "rbac": {"create": False},
    "serviceAccount": {"create": False, "name": "given"},
    "api": {"autoscaling": {"enabled": False}},
}


def test_it_passes_lint_as_strictly_as_there_is():
    call("lint", "--strict", str(ROOT / "charts" / CHART))


@pytest.mark.parametrize("values", [{}, EVERYTHING, BARE], ids=["defaults", "everything", "bare"])
def test_what_it_makes_is_taken_by_the_oldest_and_the_newest_kubernetes(values):
    objects = render(CHART, values)
    judge(objects)
    for pod in pods(objects):
        assert_restricted(pod)


def test_a_platform_has_these_parts():
    made = {(one["kind"], one["metadata"]["name"]) for one in render(CHART, EVERYTHING)}
    assert made == {
        ("ClusterRole", "dentalpin-main-platform"),
        ("ClusterRoleBinding", "dentalpin-main-platform"),
        ("ConfigMap", "main-platform-dashboard"),
        ("Deployment", "main-platform-api"),
        ("Deployment", "main-platform-worker"),
        ("HorizontalPodAutoscaler", "main-platform-api"),
        ("Ingress", "main-platform"),
        ("Job", "main-platform-migrations"),
        ("NetworkPolicy", "main-platform"),
        ("Pod", "main-platform-ready"),
        ("PodDisruptionBudget", "main-platform-api"),
        ("PodDisruptionBudget", "main-platform-worker"),
        ("PrometheusRule", "main-platform"),
        ("Service", "main-platform"),
        ("ServiceAccount", "main-platform"),
        ("ServiceMonitor", "main-platform"),
    }


def test_turned_off_means_gone():
    made = {one["kind"] for one in render(CHART, BARE)}
    assert made == {"Deployment", "Job", "Pod", "PodDisruptionBudget", "Service"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"publicUrl": "https://app.example.org/"}, "publicUrl"),
        ({"objectStore": {"url": "file:///var/objects"}}, "objectStore"),
        ({"backups": {"everyHours": 5}}, "everyHours"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"api": {"replicas": 0}}, "replicas"),
        ({"worker": {"resources": {"limits": {"memory": "much"}}}}, "memory"),
        ({"extraEnv": {"STRIPE_SECRET_KEY": "x"}}, "STRIPE_SECRET_KEY"),
        ({"extraEnv": {"DENTALPIN_EXPORT_DAYS": 30}}, "extraEnv"),
        ({"workers": {"replicas": 3}}, "workers"),
        ({"secretName": "Not A Name"}, "secretName"),
        ({"api": {"pdb": {"maxUnavailable": 0}}}, "maxUnavailable"),
        ({"networkPolicy": {"extraEgress": [{"from": []}]}}, "extraEgress"),
    ],
)
def test_the_schema_refuses_and_names(values, said):
    assert any(said in one for one in refusals(CHART, values)), refusals(CHART, values)


def test_helm_holds_values_to_the_schema():
    assert refusals(CHART, {}) == []
    with pytest.raises(Refused, match="nonsense"):
        render(CHART, {"nonsense": True})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"api": {"autoscaling": {"minReplicas": 4, "maxReplicas": 2}}}, "below minReplicas"),
        ({"api": {"resources": {"requests": {"cpu": None}}}}, "requests.cpu"),
        ({"publicUrl": "http://app.example.org"}, "TLS"),
    ],
)
def test_what_no_schema_can_compare_is_refused_too(values, said):
    with pytest.raises(Refused, match=said):
        render(CHART, values)


@pytest.mark.parametrize("component", ["api", "worker"])
def test_a_single_replica_does_not_keep_a_node_from_being_drained(component):
    values = {"api": {"replicas": 1, "autoscaling": {"enabled": False}}, "worker": {"replicas": 1}}
    budget = only(render(CHART, values), "PodDisruptionBudget", f"main-platform-{component}")["spec"]
    assert (budget.get("minAvailable"), budget["maxUnavailable"]) == (None, 1)
    # A pod that is broken anyway holds up no drain.
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


async def test_a_worker_whose_loop_stands_still_is_found_out(tmp_path):
    """The probe's own command, on a file that a loop touches, and on one that none has touched for a while."""
    (container,) = only(render(CHART), "Deployment", "main-platform-worker")["spec"]["template"]["spec"]["containers"]
    mount = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}["data"]
    assert {one["name"]: one.get("value") for one in container["env"]}["DENTALPIN_DATA"] == mount
    probes = [container[name]["exec"]["command"] for name in ("startupProbe", "livenessProbe")]
    assert probes[0] == probes[1]
    command = [part.replace(f"{mount}/{ALIVE}", str(tmp_path / ALIVE)) for part in probes[0]]
    assert command != probes[0]

    def alive():
        return subprocess.run(command, capture_output=True, timeout=20).returncode == 0

    assert not alive(), "before it ever ran"
    beating = asyncio.create_task(beat(tmp_path / ALIVE))
    await asyncio.sleep(0)
    assert alive()
    beating.cancel()
    long_ago = time.time() - 120
    os.utime(tmp_path / ALIVE, (long_ago, long_ago))
    assert not alive()
    again = asyncio.create_task(beat(tmp_path / ALIVE))
    await asyncio.sleep(0)
    again.cancel()
    assert alive(), "a file of before is touched again"


def test_who_changes_the_secret_can_replace_the_pods_by_a_value():
    objects = render(CHART, {"podAnnotations": {"dentalpin.io/secret": "abc"}})
    told = [one["spec"]["template"]["metadata"]["annotations"] for one in objects if one["kind"] == "Deployment"]
    assert told == [{"dentalpin.io/secret": "abc"}] * 2


def test_every_variable_it_sets_is_a_setting_of_the_platform():
    known = set()
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        known |= {str(one) for one in alias.choices} if isinstance(alias, AliasChoices) else {f"DENTALPIN_{name.upper()}"}
    objects = render(CHART, EVERYTHING)
    told = {variable["name"] for pod in pods(objects) for container in pod["containers"] for variable in container.get("env", [])}
    assert told - known == set()
    assert "DENTALPIN_EXPORT_DAYS" in told


def test_no_secret_is_rendered_only_named():
    objects = render(CHART, EVERYTHING)
    assert not [one for one in objects if one["kind"] == "Secret"]
    variables = [variable for pod in pods(objects) for container in pod["containers"] for variable in container.get("env", [])]
    secret = re.compile(r"SECRET|PASSWORD|_KEYS?$|DATABASE.*URL$|SMTP_URL$|KEY_ID$")
    by_value = {one["name"] for one in variables if secret.search(one["name"]) and "value" in one}
    assert by_value == set()
    refs = {one["valueFrom"]["secretKeyRef"]["name"] for one in variables if "valueFrom" in one}
    assert refs == {"dentalpin-platform"}


def test_migrations_run_before_anything_new_starts_and_without_rights():
    job = only(render(CHART), "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    pod = job["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    # A hook runs before the chart's own account is there.
    assert "serviceAccountName" not in pod
    assert {one["name"] for one in pod["containers"][0]["env"]} == {"DATABASE_URL", "DENTALPIN_DATA"}


def test_an_image_is_named_by_digest_where_one_is_given():
    named = {container["image"] for pod in pods(render(CHART, EVERYTHING)) for container in pod["containers"]}
    assert named == {"dentalpin/control-plane@sha256:" + "a" * 64}
    usual = {container["image"] for pod in pods(render(CHART)) for container in pod["containers"]}
    version = yaml.safe_load((ROOT / "charts" / CHART / "Chart.yaml").read_text())["appVersion"]
    assert usual == {f"dentalpin/control-plane:{version}"}


def test_the_api_answers_the_ingress_and_monitoring_and_nobody_else():
    objects = render(CHART, EVERYTHING)
    (rule,) = only(objects, "NetworkPolicy")["spec"]["ingress"]
    namespaces = [one["namespaceSelector"]["matchLabels"] for one in rule["from"] if "namespaceSelector" in one]
    assert namespaces == [{"kubernetes.io/metadata.name": "ingress-nginx"}, {"kubernetes.io/metadata.name": "monitoring"}]
    hosts = [one["host"] for one in only(objects, "Ingress")["spec"]["rules"]]
    assert hosts == ["app.clinic.example", "praxis.example"]
    assert only(objects, "Ingress")["spec"]["tls"][0]["hosts"] == hosts


def test_labels_select_what_they_mean_to():
    objects = render(CHART, EVERYTHING)
    labels = {one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"] for one in objects if one["kind"] == "Deployment"}
    service = only(objects, "Service")["spec"]["selector"]
    selected = {name for name, own in labels.items() if service.items() <= own.items()}
    assert selected == {"main-platform-api"}
    for one in objects:
        if one["kind"] == "Deployment":
            assert one["spec"]["selector"]["matchLabels"].items() <= labels[one["metadata"]["name"]].items()


def test_alerts_and_dashboard_are_the_documented_ones():
    objects = render(CHART, EVERYTHING)
    documented = yaml.safe_load((ROOT / "docs" / "operators" / "alerts.yml").read_text())
    assert only(objects, "PrometheusRule")["spec"] == documented
    dashboard = json.loads(only(objects, "ConfigMap")["data"]["dentalpin-platform.json"])
    assert dashboard == json.loads((ROOT / "charts" / CHART / "files" / "dashboard.json").read_text())


def test_prometheus_asks_with_a_key():
    (endpoint,) = only(render(CHART, EVERYTHING), "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"] == {"name": "dentalpin-platform", "key": "METRICS_KEY"}
    assert endpoint["path"] == "/metrics"


def test_the_notes_say_where_to_begin():
    notes = call("install", "main", str(ROOT / "charts" / CHART), "--dry-run=client", "--namespace", "dentalpin")
    assert "DENTALPIN_CLOUD_URL=https://app.example.org" in notes
    assert "helm test -n dentalpin main" in notes
