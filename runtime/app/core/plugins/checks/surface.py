"""What others can build on: a module's routes, permissions, events, slots and tools as one value, kept in `surface.json` beside its code.

Two surfaces compared say how far the version has to step (guide §8): what is taken away or newly demanded breaks somebody, what is added
does not.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from app.core.plugins.loader import DiscoveredModule
from app.core.plugins.manifest import version_key

from .events import handled, published
from .layer import read_slots
from .routes import read_routes
from .tools import read_tools

FILE: Final = "surface.json"
_DEEPEST: Final = 8
_REVISION: Final = re.compile(r"""^revision\s*(?::\s*str\s*)?=\s*['"]([^'"]+)['"]""", re.MULTILINE)


class Step(IntEnum):
    """How far a version has to go."""

    NONE = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3


@dataclass(frozen=True, slots=True)
class Change:
    step: Step
    text: str


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Call(_Value):
    """What one route or tool takes and answers: {field: type}, fields of fields with dots, of lists with `[]`."""

    permissions: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """The fields that must be given."""
    accepts: dict[str, str] = {}
    answers: dict[str, str] = {}


class Surface(_Value):
    version: str
    depends: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    publishes: tuple[str, ...] = ()
    listens: tuple[str, ...] = ()
    slots: dict[str, str] = {}
    """{id: slot}."""
    routes: dict[str, Call] = {}
    tools: dict[str, Call] = {}
    revisions: dict[str, str] = {}
    """{revision: digest of its file without its white space}."""

    def text(self) -> str:
        return self.model_dump_json(indent=2) + "\n"


def read_surface(found: DiscoveredModule) -> Surface:
    """The surface of the code as it is."""
    return Surface(
        version=found.manifest.version,
        depends=tuple(sorted(found.manifest.depends)),
        permissions=tuple(sorted(found.module.get_permissions())),
        publishes=tuple(sorted(published(found))),
        listens=tuple(sorted(handled(found))),
        slots={slot.id: slot.slot for slot in sorted(read_slots(found), key=lambda slot: slot.id)},
        routes=dict(_routes(found)),
        tools=dict(_tools(found)),
        revisions=dict(_revisions(found.versions_path)),
    )


def compare(old: Surface, new: Surface) -> list[Change]:
    """What changed, the breaking first."""
    changes = [
        *_names("permission", old.permissions, new.permissions),
        *_names("event", old.publishes, new.publishes),
        *_names("slot entry", old.slots, new.slots),
        *_names("route", old.routes, new.routes),
        *_names("tool", old.tools, new.tools),
        *(Change(Step.MINOR, f"the revision {name} was added") for name in new.revisions if name not in old.revisions),
    ]
    changes += [
        Change(Step.MAJOR, f"the slot entry {name} moved from {old.slots[name]} to {new.slots[name]}")
        for name in old.slots.keys() & new.slots.keys()
        if old.slots[name] != new.slots[name]
    ]
    changes += [
        Change(Step.MINOR, f"the module {'needs' if name in new.depends else 'does not need'} {name}")
        for name in sorted({*old.depends} ^ {*new.depends})
    ]
    for kind, before, after in (("route", old.routes, new.routes), ("tool", old.tools, new.tools)):
        for name in sorted(before.keys() & after.keys()):
            changes += _call_changes(f"the {kind} {name}", before[name], after[name])
    if not changes and old.listens != new.listens:
        changes.append(Change(Step.PATCH, "the module listens to other events"))
    return sorted(changes, key=lambda change: -change.step)


def revision_changes(old: Surface, new: Surface) -> tuple[list[str], list[str]]:
    """(removed, edited) revisions that were released."""
    removed = [name for name in old.revisions if name not in new.revisions]
    return removed, [name for name, digest in old.revisions.items() if new.revisions.get(name, digest) != digest]


def stepped(old: str, new: str) -> Step:
    """How far the version went from `old` to `new`; NONE if it did not go forward."""
    before, after = (version_key(version)[0] for version in (old, new))
    if version_key(new) <= version_key(old):
        return Step.NONE
    if before[:1] != after[:1]:
        return Step.MAJOR
    if before[:2] != after[:2]:
        return Step.MINOR
    return Step.PATCH


def needed(old: str, step: Step) -> tuple[Step, str]:
    """The step a change asks for and the lowest version that makes it. Before 1.0.0 a breaking change is a minor step."""
    numbers = (*version_key(old)[0], 0, 0, 0)
    if numbers[0] == 0:
        step = min(step, Step.MINOR)
    lowest = {
        Step.MAJOR: (numbers[0] + 1, 0, 0),
        Step.MINOR: (numbers[0], numbers[1] + 1, 0),
        Step.PATCH: (numbers[0], numbers[1], numbers[2] + 1),
        Step.NONE: numbers[:3],
    }[step]
    return step, ".".join(str(number) for number in lowest)


def _names(kind: str, old: Iterable[str], new: Iterable[str]) -> Iterator[Change]:
    before, after = set(old), set(new)
    yield from (Change(Step.MAJOR, f"the {kind} {name} is gone") for name in sorted(before - after))
    yield from (Change(Step.MINOR, f"the {kind} {name} was added") for name in sorted(after - before))


def _call_changes(what: str, old: Call, new: Call) -> Iterator[Change]:
    for permission in sorted(set(new.permissions) - set(old.permissions)):
        yield Change(Step.MAJOR, f"{what} asks for {permission} too")
    for permission in sorted(set(old.permissions) - set(new.permissions)):
        yield Change(Step.MINOR, f"{what} does not ask for {permission} any more")
    for field in sorted(set(new.needs) - set(old.needs)):
        yield Change(Step.MAJOR, f"{what} needs {field}")
    for field in sorted(set(old.needs) - set(new.needs)):
        yield Change(Step.MINOR, f"{what} does not need {field} any more")
    for verb, before, after in (("take", old.accepts, new.accepts), ("answer", old.answers, new.answers)):
        for field in sorted(before.keys() | after.keys()):
            if field not in after:
                yield Change(Step.MAJOR, f"{what} does not {verb} {field} any more")
            elif field not in before:
                yield Change(Step.MINOR, f"{what} {verb}s {field}")
            elif before[field] != after[field]:
                yield Change(Step.MAJOR, f"{what} {verb}s {field} as {after[field]} instead of {before[field]}")


def _routes(found: DiscoveredModule) -> Iterator[tuple[str, Call]]:
    router = found.module.get_router()
    if router is None:
        return
    app = FastAPI()
    app.include_router(router, prefix="/_")
    document = app.openapi()
    parts = document.get("components", {}).get("schemas", {})
    for route in sorted(read_routes(found), key=lambda route: route.key):
        operation = document["paths"].get(f"/_{route.path}", {}).get(route.method.lower())
        if operation is not None:
            yield route.key, _call(operation, parts, route.permissions)


def _call(operation: Mapping[str, Any], parts: Mapping[str, Any], permissions: tuple[str, ...]) -> Call:
    needs: list[str] = []
    accepts: dict[str, str] = {}
    for parameter in operation.get("parameters", []):
        # Which clinic is asked for is the core's business, and the same for every route.
        if parameter["in"] in {"header", "cookie"}:
            continue
        field = f"{parameter['in']}.{parameter['name']}"
        accepts[field] = _kind(parameter.get("schema", {}), parts)
        if parameter.get("required"):
            needs.append(field)
    for media in operation.get("requestBody", {}).get("content", {}).values():
        for field, kind, required in _fields("body", media.get("schema", {}), parts):
            accepts[field] = kind
            if required:
                needs.append(field)
    answers: dict[str, str] = {}
    for status, answer in operation.get("responses", {}).items():
        if status.startswith("2"):
            for media in answer.get("content", {}).values():
                answers |= {field: kind for field, kind, _ in _fields(status, media.get("schema", {}), parts)}
            answers.setdefault(status, "nothing")
    return Call(permissions=tuple(sorted(permissions)), needs=tuple(sorted(needs)), accepts=_sorted(accepts), answers=_sorted(answers))


def _tools(found: DiscoveredModule) -> Iterator[tuple[str, Call]]:
    for tool in sorted(read_tools(found)[0], key=lambda tool: str(tool.name)):
        schema = tool.parameters.model_json_schema()
        fields = [field for field in _fields("", schema, schema.get("$defs", {})) if field[0]]
        accepts = {field: kind for field, kind, _ in fields}
        needs = tuple(sorted(field for field, _, required in fields if required))
        yield str(tool.name), Call(permissions=tuple(sorted(tool.permissions)), needs=needs, accepts=_sorted(accepts))


def _fields(place: str, schema: Mapping[str, Any], parts: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, str, bool]]:
    """(place, type, whether it must be given) of a schema and everything inside it."""
    schema = _resolved(schema, parts)
    yield place, _kind(schema, parts), True
    if depth >= _DEEPEST:
        return
    for inner in schema.get("anyOf", schema.get("oneOf", [])):
        resolved = _resolved(inner, parts)
        if resolved.get("properties") or resolved.get("items"):
            yield from (field for field in _fields(place, resolved, parts, depth + 1) if field[0] != place)
    if isinstance(schema.get("items"), dict):
        yield from _fields(f"{place}[]", schema["items"], parts, depth + 1)
    required = set(schema.get("required", ()))
    for name, inner in schema.get("properties", {}).items():
        path = f"{place}.{name}" if place else name
        for field, kind, must in _fields(path, inner, parts, depth + 1):
            yield field, kind, must and name in required


def _resolved(schema: Mapping[str, Any], parts: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = parts.get(schema["$ref"].rpartition("/")[2], {})
    return schema


def _kind(schema: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    schema = _resolved(schema, parts)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " | ".join(sorted({_kind(choice, parts) for choice in choices}))
    kind = str(schema.get("type", "any"))
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def _sorted(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: fields[name] for name in sorted(fields)}


def _revisions(folder: Path | None) -> Iterator[tuple[str, str]]:
    for file in sorted(folder.glob("*.py")) if folder is not None else []:
        if file.name != "__init__.py":
            text = file.read_text(encoding="utf-8")
            named = _REVISION.search(text)
            yield named[1] if named else file.stem, hashlib.sha256("".join(text.split()).encode()).hexdigest()[:16]
