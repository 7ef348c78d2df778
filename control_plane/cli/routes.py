"""The API as commands see it: read from `routes.json`, which `./dev generate` makes from the API's description, so that a command line
needs neither the server's code nor a server to explain itself.
"""

import json
import keyword
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from pydantic import TypeAdapter

FILE: Final = "routes.json"
_BODY_METHODS: Final = frozenset({"post", "put", "patch", "delete"})


@dataclass(frozen=True, slots=True)
class Field:
    """Something a route takes. `kind` is text, number, yes/no, list or json."""

    name: str
    kind: str
    help: str = ""

    @property
    def variable(self) -> str:
        """The name as Python takes it."""
        safe = self.name.replace("-", "_")
        return f"{safe}_" if keyword.iskeyword(safe) or safe in ("context", "body", "wait", "as_json", "output") else safe


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    group: str
    name: str
    summary: str
    path_fields: list[Field]
    query: list[Field]
    body: list[Field]
    takes_body: bool
    answers: str
    """json, stream (events or lines), file or nothing."""
    pages: bool

    @property
    def id(self) -> str:
        return f"{self.method} {self.path}"


@cache
def routes() -> tuple[Route, ...]:
    text = files("control_plane.cli").joinpath(FILE).read_text(encoding="utf-8")
    return TypeAdapter(tuple[Route, ...]).validate_python(json.loads(text))


def read(document: Mapping[str, Any]) -> list[Route]:
    """The routes of an OpenAPI document, under /v1."""
    found = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/v1/"):
                found.append(_route(document, path, method, operation))
    return found


def text_of(document: Mapping[str, Any]) -> str:
    """What belongs into routes.json."""
    lines = [json.dumps(asdict(route), ensure_ascii=False, separators=(", ", ": ")) for route in read(document)]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _route(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Route:
    parameters = operation.get("parameters", [])
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    query = [_field(document, one["name"], one["schema"], one.get("description", "")) for one in parameters if one["in"] == "query"]
    group = path.split("/")[2]
    return Route(
        method=method.upper(),
        path=path,
        group=group,
        name=_name(operation["operationId"], group),
        summary=(operation.get("description") or operation["summary"]).split("\n")[0],
        path_fields=[_field(document, one["name"], one["schema"], "") for one in parameters if one["in"] == "path"],
        query=query,
        body=list(_members(document, body)),
        takes_body="requestBody" in operation,
        answers=_answers(operation),
        pages=method == "get" and {"after", "limit"} <= {field.name for field in query},
    )


def _name(operation_id: str, group: str) -> str:
    """`list_webhooks` of webhooks is `list`: what the group says already is left out."""
    said = {group, group.removesuffix("s"), *group.split("-"), *group.removesuffix("s").split("-")}
    words = [word for word in operation_id.split("_") if word not in said]
    return "-".join(words or operation_id.split("_"))


def _answers(operation: Mapping[str, Any]) -> str:
    content: Mapping[str, Any] = next(
        (answer.get("content", {}) for status, answer in operation["responses"].items() if status.startswith("2")), {}
    )
    if not content:
        return "nothing"
    if "application/json" in content:
        return "json"
    return "stream" if content.keys() & {"text/event-stream", "application/x-ndjson"} else "file"


def _members(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Field]:
    for name, inner in _resolved(document, schema).get("properties", {}).items():
        yield _field(document, name, inner, inner.get("description", ""))


def _field(document: Mapping[str, Any], name: str, schema: Mapping[str, Any], description: str) -> Field:
    choices = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    inner = _resolved(document, choices[0]) if len(choices) == 1 else {}
    kinds = {"string": "text", "integer": "number", "boolean": "yes/no"}
    kind = kinds.get(str(inner.get("type")), "json")
    if inner.get("type") == "array" and _resolved(document, inner.get("items", {})).get("type") == "string":
        kind = "list"
    values = ", ".join(str(value) for value in inner.get("enum", []))
    return Field(name, kind, " ".join(word for word in (description, f"One of {values}." if values else "") if word))


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema
