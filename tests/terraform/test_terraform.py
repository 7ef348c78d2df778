"""Terraform's own checks of our modules, offline: providers are stand-ins that know the published schemas (stub_provider/)."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TERRAFORM = ROOT / "terraform"
STUB = Path(__file__).parent / "stub_provider" / "stub.py"
MODULES = sorted(folder.name for folder in (TERRAFORM / "modules").iterdir())
EXAMPLES = sorted(folder.name for folder in (TERRAFORM / "examples").iterdir())
PROVIDERS = {"aws": "hashicorp", "helm": "hashicorp", "ionoscloud": "ionos-cloud", "kubernetes": "hashicorp", "random": "hashicorp"}

needs_terraform = pytest.mark.skipif(
    shutil.which("terraform") is None, reason="terraform is not on the PATH, and no package registry has it"
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Terraform with our stand-ins for every provider, and no way to a registry."""
    folder = tmp_path_factory.mktemp("terraform")
    overrides = []
    for name, owner in PROVIDERS.items():
        program = folder / name / f"terraform-provider-{name}"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STUB}" {name}\n')
        program.chmod(0o755)
        overrides.append(f'    "{owner}/{name}" = "{program.parent}"')
    configuration = folder / "terraformrc"
    configuration.write_text("provider_installation {\n  dev_overrides {\n" + "\n".join(overrides) + "\n  }\n}\n")
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": str(folder), "TF_CLI_CONFIG_FILE": str(configuration), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """Our folder where Terraform may write."""
    folder = tmp_path_factory.mktemp("modules")
    shutil.copytree(TERRAFORM, folder / "terraform", ignore=shutil.ignore_patterns(".terraform"))
    return folder / "terraform"


def terraform(environment, folder, *arguments):
    ended = subprocess.run(["terraform", *arguments, "-no-color"], cwd=folder, env=environment, capture_output=True, text=True, timeout=240)
    return ended.returncode, ended.stdout + ended.stderr


@needs_terraform
def test_everything_is_formatted(environment, copied):
    assert terraform(environment, copied, "fmt", "-check", "-recursive")[0] == 0


@needs_terraform
@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_valid(environment, copied, module):
    status, said = terraform(environment, copied / "modules" / module, "validate")
    assert status == 0, said


# Each run of a test starts the stand-ins anew, a second each.
@needs_terraform
@pytest.mark.parametrize("module", [one if one == "plan" else pytest.param(one, marks=pytest.mark.full) for one in MODULES])
def test_a_module_passes_its_tests(environment, copied, module):
    status, said = terraform(environment, copied / "modules" / module, "test")
    assert status == 0, said
    assert re.search(r"Success! [1-9]\d* passed, 0 failed", said), said


@needs_terraform
@pytest.mark.full
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_valid(environment, copied, example):
    status, said = terraform(environment, copied / "examples" / example, "get")
    assert status == 0, said
    status, said = terraform(environment, copied / "examples" / example, "validate")
    assert status == 0, said


@needs_terraform
def test_what_a_provider_does_not_know_is_refused(environment, copied):
    """Else all of the above would prove nothing."""
    folder = copied / "modules" / "wrong"
    shutil.copytree(copied / "modules" / "aws", folder, ignore=shutil.ignore_patterns("tests"))
    (folder / "data.tf").write_text((folder / "data.tf").read_text().replace("storage_encrypted ", "storage_encripted "))
    status, said = terraform(environment, folder, "validate")
    assert status != 0
    assert "storage_encripted" in said


def test_nothing_committed_names_a_registry_or_a_state():
    names = subprocess.run(["git", "ls-files", "terraform"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert names
    assert not [name for name in names if name.endswith((".terraform.lock.hcl", ".tfstate", ".tfvars"))]


def test_residency_is_said_in_the_words_of_the_packs():
    regions = json.loads((TERRAFORM / "modules" / "plan" / "regions.json").read_text())
    packs = (ROOT / "control_plane" / "compliance" / "packs").glob("*.yaml")
    clauses = [clause for pack in packs for clause in yaml.safe_load(pack.read_text()).get("residency") or []]
    known = {region for clause in clauses for region in clause["regions"]}
    assert regions.keys() <= known


def test_the_cloud_grants_the_account_that_the_release_makes():
    """The pods' role on the cloud is bound to an account's name, which the chart is told."""
    cluster = (TERRAFORM / "modules" / "aws" / "cluster.tf").read_text()
    release = (TERRAFORM / "modules" / "release" / "main.tf").read_text()
    (account,) = re.findall(r'platform = \{ namespace = "dentalpin", account = "([\w-]+)" \}', cluster)
    assert f'name = "{account}"' in release


def block(file: Path, kind: str, name: str) -> str:
    """The text of a block, as Terraform writes it: closed by a brace at the beginning of a line."""
    found = re.search(rf'^{kind} "{name}" {{$.*?^}}$', file.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None, f"{file} has no {kind} {name}"
    return found[0]


@pytest.mark.parametrize("name", ["plan", "api_networks"])
def test_clouds_take_the_same_plan(name):
    """Terraform lets modules share no declaration: what has to be said twice is held to be the same."""
    aws, ionos = (TERRAFORM / "modules" / cloud / "variables.tf" for cloud in ("aws", "ionos"))
    assert block(aws, "variable", name) == block(ionos, "variable", name)


def test_what_a_cloud_gives_is_what_the_release_takes():
    def outputs(cloud):
        return set(re.findall(r'^output "(\w+)"', (TERRAFORM / "modules" / cloud / "outputs.tf").read_text(), re.MULTILINE))

    used = set(re.findall(r"module\.cloud\.(\w+)", (TERRAFORM / "examples" / "aws" / "main.tf").read_text()))
    assert outputs("aws") == outputs("ionos") >= used | {"databases", "object_store", "object_store_key"}


def test_examples_differ_by_their_cloud_only():
    aws, ionos = ((TERRAFORM / "examples" / cloud / "main.tf").read_text() for cloud in ("aws", "ionos"))
    assert aws.replace("modules/aws", "modules/ionos").replace('"aws"', '"ionos"') == ionos
