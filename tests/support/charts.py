"""Charts, rendered by Helm itself and judged by the published schemas of Kubernetes."""

import json
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema.validators import Draft202012Validator

from tests.support.programs import helm

ROOT = Path(__file__).parents[2]
Objects = list[dict[str, Any]]


class Refused(Exception):
    """Helm did not render; the message is its own."""


def call(*arguments: str) -> str:
    ended = subprocess.run([helm(), *arguments], capture_output=True, text=True, timeout=60)
    if ended.returncode != 0:
        raise Refused(ended.stdout + ended.stderr)
    return ended.stdout


@cache
def _printed(chart: str, values: str, namespace: str, release: str) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(values)
        file.flush()
        return call("template", release, str(ROOT / "charts" / chart), "--namespace", namespace, "--values", file.name)


def render(chart: str, values: dict[str, Any] | None = None, *, namespace: str = "dentalpin", release: str = "main") -> Objects:
    """Everything the chart makes, in Helm's order. Raises Refused."""
    return [one for one in yaml.safe_load_all(_printed(chart, yaml.safe_dump(values or {}), namespace, release)) if one]


def refusals(chart: str, values: dict[str, Any]) -> list[str]:
    """Where the chart's schema refuses these values, laid over its own as Helm does, and why."""
    folder = ROOT / "charts" / chart
    schema = json.loads((folder / "values.schema.json").read_text())
    whole = _over(yaml.safe_load((folder / "values.yaml").read_text()), values)
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(whole)]


def _over(base: Any, values: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(values, dict):
        return values
    return base | {name: _over(base.get(name), value) for name, value in values.items()}


def only(objects: Objects, kind: str, name: str | None = None) -> dict[str, Any]:
    """The one object of this kind, or of this kind and name."""
    found = [one for one in objects if one["kind"] == kind and name in (None, one["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]


def pods(objects: Objects) -> list[dict[str, Any]]:
    """The specification of every pod there will be."""
    found = []
    for one in objects:
        if one["kind"] == "Pod":
            found.append(one["spec"])
        elif one["kind"] in ("Deployment", "Job", "StatefulSet"):
            found.append(one["spec"]["template"]["spec"])
        elif one["kind"] == "CronJob":
            found.append(one["spec"]["jobTemplate"]["spec"]["template"]["spec"])
    return found


def assert_restricted(pod: dict[str, Any]) -> None:
    """What the Pod Security Standard `restricted` asks for, and a root file system nobody writes to."""
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] > 0
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
    for volume in pod.get("volumes", []):
        assert not volume.keys() & {"hostPath"}
