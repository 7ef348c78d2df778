"""`./dev up --simulated-cluster`: the platform's own processes, on the double of a cluster's API server."""

import base64
import json
import shutil
import ssl
import subprocess

import httpx2
import pytest

from control_plane.embedded.layout import EmbeddedError, Facts, Layout
from control_plane.embedded.simulated_cluster import check
from dentalpin_kit.ports import free_port
from tests.support.installation import Platform, wait_for
from tests.support.programs import of_kubernetes
from tests.support.runtime_env import make_overlay


@pytest.fixture
def platform(tmp_path):
    running = Platform(tmp_path / "var", make_overlay(tmp_path / "runtime-env"))
    layout = Layout(running.data)
    layout.make()
    Facts("127.0.0.1", free_port(), "", "", simulated_cluster=True).write(layout)
    yield running
    running.down()
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_a_clinic_is_set_up_as_on_kubernetes_and_everything_says_what_it_is(platform):
    said = platform.command("up", "--detach", "--runtime-env", str(platform.runtime_env), "--simulated-cluster").stdout
    assert "SIMULATED" in said
    assert f"./dev down --data {platform.data}" in said
    body = {"name": "Sol", "slug": "sol", "country": "ES", "owner_email": "ana@sol.example", "modules": ["agenda"]}
    with platform.api as api:
        created = api.post("/v1/tenants", json=body)
        assert created.status_code in (200, 202), created.text
        tenant = wait_for(lambda: (found := api.get("/v1/tenants/sol").json())["state"] == "active" and found, "an active clinic")
        assert (tenant["url"], api.get("/v1/clusters/simulated").json()["clinics"]) == ("https://sol.simulated.localhost", 1)

    kubeconfig = Layout(platform.data).simulated_kubeconfig
    assert kubeconfig.stat().st_mode & 0o077 == 0
    assert platform.status()["simulated_cluster"] == str(kubeconfig)
    config = json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]
    trusted = ssl.create_default_context(cadata=base64.b64decode(config["certificate-authority-data"]).decode())
    unasked = httpx2.get(f"{config['server']}/api/v1/namespaces", verify=trusted, timeout=5)
    assert unasked.status_code == 401, "passwords of databases lie there"
    namespace = f"clinic-{tenant['id'].replace('-', '')}"
    assert namespace in kubectl(kubeconfig, "get", "namespaces").stdout
    pods = kubectl(kubeconfig, "--namespace", namespace, "get", "deploy,po", "--output", "name").stdout.split()
    assert "deployment.apps/clinic" in pods
    assert [one for one in pods if one.startswith("pod/")]


def kubectl(kubeconfig, *arguments):
    """What people look with: it hands out a token over TLS only, and knows the cluster by its certificate."""
    command = [of_kubernetes("kubectl"), "--kubeconfig", str(kubeconfig), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


@pytest.mark.parametrize(("kept", "wanted"), [(True, False), (False, True)])
def test_clinics_of_one_folder_run_in_one_kind_of_place(kept, wanted):
    facts = Facts("127.0.0.1", 8000, "http://127.0.0.1:8000", "env", simulated_cluster=kept)
    check(facts, kept)
    check(None, wanted)
    with pytest.raises(EmbeddedError, match="--data DIR"):
        check(facts, wanted)


def test_the_demo_clinic_needs_what_runs(tmp_path):
    refused = Platform(tmp_path / "var", tmp_path).command("up", "--demo", "--simulated-cluster", check=False)
    assert (refused.returncode, "leave one of the two out" in refused.stderr) == (1, True)
