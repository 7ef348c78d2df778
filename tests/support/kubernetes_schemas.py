"""Kubernetes' published schemas, strictly applied: unknown fields are refused, for the oldest and the newest version we support.

kubernetes-validate brings the schemas; read through it, each object would read all definitions again (a third of a second each).
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jsonschema.validators import Draft202012Validator
from referencing import Registry, Resource

OLDEST: Final = "1.28"
NEWEST: Final = "1.37"
FOREIGN: Final = ("monitoring.coreos.com/", "postgresql.cnpg.io/", "cert-manager.io/")
"""Defined by operators, not by Kubernetes: nobody publishes their schemas here."""

_SCHEMAS: Final = files("kubernetes_validate") / "kubernetes-json-schema"


class NotTaken(AssertionError):
    """A Kubernetes of this version refuses the object."""


def judge(objects: Iterable[Mapping[str, Any]], versions: Iterable[str] = (OLDEST, NEWEST)) -> None:
    """Raises NotTaken for the first object that one of these versions would not take, with where and why."""
    for one in objects:
        if one["apiVersion"].startswith(FOREIGN):
            continue
        for version in versions:
            name = f"{one['kind']} {one['metadata'].get('name')}"
            error = next(_validator(version, one["kind"], one["apiVersion"]).iter_errors(one), None)
            if error is not None:
                raise NotTaken(f"Kubernetes {version} refuses {name}: {error.json_path}: {error.message[:400]}")


@cache
def _validator(version: str, kind: str, api_version: str) -> Draft202012Validator:
    group, _, number = api_version.rpartition("/")
    stem = f"{kind.lower()}-{group.partition('.')[0]}-{number}" if group else f"{kind.lower()}-{number}"
    file = _folder(version) / f"{stem}.json"
    if not file.is_file():
        raise NotTaken(f"Kubernetes {version} knows no {kind} of {api_version}")
    return Draft202012Validator(json.loads(file.read_text()), registry=_definitions(version))


@cache
def _definitions(version: str) -> Registry[Any]:
    contents = json.loads((_folder(version) / "_definitions.json").read_text())
    return (Resource.from_contents(contents) @ Registry()).crawl()


def _folder(version: str) -> Any:
    (found,) = [one for one in _SCHEMAS.iterdir() if one.name.startswith(f"v{version}") and one.name.endswith("-local-strict")]
    return found
