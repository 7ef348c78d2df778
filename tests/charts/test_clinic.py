"""charts/clinic makes what the platform's deployer makes; where it does not, this file says why."""

import json
import os
import subprocess
from typing import Any

import pytest

from control_plane.deployers.kubernetes.facts import ClinicFacts, ClusterFacts
from control_plane.deployers.kubernetes.rendering import hosts_of
from control_plane.deployers.kubernetes.sizes import size_of
from tests.control_plane.deployers.kubernetes.clinics import CLINICS, manifests_of
from tests.support.charts import ROOT, Objects, Refused, assert_restricted, call, only, pods, refusals, render
from tests.support.kubernetes_schemas import judge

CHART = "clinic"
FIRST = {
    "name": "Clínica Sol",
    "country": "ES",
    "timezone": "Europe/Madrid",
    "currency": "EUR",
    "locale": "es-ES",
    "admin": "ana@example.org",
}


def values_of(clinic: ClinicFacts, cluster: ClusterFacts) -> dict[str, Any]:
    """The chart's values for the same clinic."""
    size = size_of(clinic.revision["limits"])
    return {
        "id": str(clinic.tenant_id),
        "image": clinic.image,
        "hosts": list(hosts_of(clinic, cluster)),
        "size": size.name,
        "storageGb": size.storage_gb,
        "storageClass": cluster.storage_class or "",
        "accessMode": cluster.access_mode,
        "database": {
            "port": clinic.database.port,
            "networks": list(cluster.database_networks),
            "namespace": cluster.database_namespace or "",
        },
        "mail": {"port": cluster.mail_port or 0, "networks": list(cluster.mail_networks)},
        "ingress": {
            "className": cluster.ingress_class,
            "namespace": cluster.ingress_namespace,
            "issuer": cluster.issuer,
            "annotations": cluster.ingress_annotations,
        },
        "trustedProxies": list(cluster.trusted_proxies),
        "control": {"namespace": cluster.platform_namespace or "", "networks": list(cluster.control_networks)},
        "needs": [{"to": need.to, "port": need.port, "protocol": need.protocol} for need in clinic.needs],
        "suspended": clinic.suspended,
        "revision": dict(clinic.revision),
    }


def comparable(objects: Objects) -> dict[tuple[str, str], dict[str, Any]]:
    """By kind and name, without what each side has for itself."""
    found = {}
    for one in json.loads(json.dumps(objects)):
        # The platform makes namespaces and passwords; whoever installs the chart brings both.
        if one["kind"] in ("Namespace", "Secret"):
            continue
        annotations = one["metadata"].pop("annotations", {})
        if one["kind"] == "Ingress":
            one["metadata"]["annotations"] = annotations
        if one["kind"] == "Deployment":
            # Digests over what only the platform knows; each side replaces pods when its own changes.
            assert one["spec"]["template"]["metadata"]["annotations"].pop("dentalpin.io/database")
        if one["kind"] == "ConfigMap":
            one["data"]["revision.json"] = json.loads(one["data"]["revision.json"])
        found[one["kind"], one["metadata"]["name"]] = json.loads(json.dumps(one).replace('"managed-by": "Helm"', ""))
    return found


def ours(objects: Any) -> Any:
    """The field manager is who applies: Helm here, the platform there."""
    return json.loads(json.dumps(objects).replace('"app.kubernetes.io/managed-by": "Helm"', '"app.kubernetes.io/managed-by": "dentalpin"'))


def test_it_passes_lint_as_strictly_as_there_is():
    call("lint", "--strict", str(ROOT / "charts" / CHART))


@pytest.mark.parametrize("name", CLINICS)
def test_it_makes_what_the_deployer_makes(name):
    clinic, cluster = CLINICS[name]
    chart = render(CHART, values_of(clinic, cluster), namespace=clinic.namespace)
    deployed = list(manifests_of(name).objects)
    made, wanted = comparable(ours(chart)), comparable(deployed)
    # The minute of the night is the tenant's own there, and a value here.
    made["CronJob", "backup"]["spec"]["schedule"] = wanted["CronJob", "backup"]["spec"]["schedule"]
    assert made.keys() == wanted.keys()
    for key in wanted:
        assert made[key] == wanted[key], key


def test_a_change_of_one_field_would_be_seen():
    clinic, cluster = CLINICS["small"]
    wanted = comparable(list(manifests_of("small").objects))
    other = comparable(ours(render(CHART, values_of(clinic, cluster) | {"size": "medium"}, namespace=clinic.namespace)))
    assert {key[0] for key in wanted if other[key] != wanted[key] and key[0] != "CronJob"} == {"Deployment", "LimitRange", "ResourceQuota"}


@pytest.mark.parametrize("values", [{}, {"first": FIRST}], ids=["defaults", "first"])
def test_what_it_makes_is_taken_by_the_oldest_and_the_newest_kubernetes(values):
    objects = render(CHART, values)
    judge(objects)
    for pod in pods(objects):
        assert_restricted(pod)


def test_without_a_revision_the_clinic_decides_its_modules_itself():
    objects = render(CHART)
    assert not [one for one in objects if one["kind"] == "ConfigMap"]
    assert "revision" not in json.dumps([pod["volumes"] for pod in pods(objects)])
    variables = {variable["name"] for pod in pods(objects) for container in pod["containers"] for variable in container["env"]}
    assert "DENTALPIN_REVISION_FILE" not in variables


def test_only_what_migrates_holds_the_owners_password():
    for pod in pods(render(CHART, {"first": FIRST})):
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            sees = "owner" in {mount["name"] for mount in container["volumeMounts"]}
            assert sees == (container["name"] != "clinic")


def test_the_first_clinic_is_made_once_and_its_password_is_nowhere_rendered():
    job = only(render(CHART, {"first": FIRST}), "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "post-install"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    script = container["command"][-1]
    assert "Clínica" not in script, "values reach the shell as variables, never as text of it"
    assert {"name": "NAME", "value": "Clínica Sol"} in container["env"]


def test_a_second_attempt_at_the_first_clinic_makes_no_second_one(tmp_path):
    """The Job's own script, where the first attempt was cut short after the clinic was made."""
    (container,) = only(render(CHART, {"first": FIRST}), "Job")["spec"]["template"]["spec"]["containers"]
    program = tmp_path / "dentalpin"
    program.write_text(
        '#!/bin/sh\necho "$1 $2" >>calls\n'
        'case "$1 $2" in\n'
        '"clinics list") [ ! -e made ] || echo "0d3f6a52-1f8c-4c63-9a3e-2b1f5d1c7e11  active    ES  Sol" ;;\n'
        '"clinics create") touch made ;;\n'
        '"users create") [ "$(grep -c users calls)" -gt 1 ] ;;\n'
        "esac\n"
    )
    program.chmod(0o755)
    variables = {one["name"]: one["value"] for one in container["env"]} | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    attempts = [subprocess.run(container["command"], cwd=tmp_path, env=variables, timeout=30).returncode for _ in range(2)]
    assert attempts == [1, 0]
    assert (tmp_path / "calls").read_text().splitlines().count("clinics create") == 1


def test_uninstalling_keeps_what_patients_are_owed():
    claim = only(render(CHART), "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"image": "dentalpin/runtime"}, "image"),
        ({"hosts": []}, "hosts"),
        ({"hosts": ["Clinic.example"]}, "hosts"),
        ({"size": "huge"}, "size"),
        ({"needs": [{"to": "api.example.org", "port": 443}]}, "needs"),
        ({"needs": [{"to": "internet"}]}, "port"),
        ({"first": {"name": "Clínica Sol"}}, "first"),
        ({"revision": {"generation": 0}}, "revision"),
        ({"storageGb": 0}, "storageGb"),
        ({"password": "x"}, "password"),
    ],
)
def test_the_schema_refuses_and_names(values, said):
    assert any(said in one for one in refusals(CHART, values)), refusals(CHART, values)


def test_helm_holds_values_to_the_schema():
    assert refusals(CHART, {}) == []
    with pytest.raises(Refused, match="nonsense"):
        render(CHART, {"nonsense": True})
