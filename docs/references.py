"""The longer generated references: events, routes and error codes, read from the code itself. Used by `generate.py`."""

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from fastapi import FastAPI
from pydantic import SecretStr

from dentalpin_kit.problems import DomainError, TemporaryError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from app.core.plugins.registry import MountedModule

ROOT = Path(__file__).parents[1]
METHODS = ("get", "post", "put", "patch", "delete")
CODE = re.compile(r'^\s+code(?:: ClassVar\[str\])? = "', re.MULTILINE)
SOURCES = (
    ("runtime/dentalpin_kit", "dentalpin_kit"),
    ("runtime/app", "app"),
    ("modules", "app.modules"),
    ("control_plane", "control_plane"),
)


def events() -> str:
    """The catalogue of the core with the fields each payload has at least."""
    from app.core.events.types import CATALOGUE

    return _payloads(CATALOGUE.items())


def own_events() -> str:
    """What official modules declare of their own."""
    return _payloads((name, model) for module in _official() for name, model in sorted(module.events.items()))


def listeners() -> str:
    """Which official module hears what, and how."""
    rows = [
        f"| `{event}` | {module.name} | {'before the commit' if each.transactional else 'after the commit'} |\n"
        for module in _official()
        for event, subscriptions in sorted(module.handlers.items())
        for each in subscriptions
    ]
    return "| event | module | when |\n|---|---|---|\n" + "".join(rows) if rows else "None of them listens to another.\n"


def _official() -> "list[MountedModule]":
    from app.core.plugins.loader import discover_modules
    from app.core.plugins.registry import MountedModule

    return [MountedModule(found.module, found.manifest) for found in discover_modules() if found.of_core]


def _payloads(events: "Iterable[tuple[str, type[BaseModel] | None]]") -> str:
    parts = ["| event | payload, at least | may be null or absent |\n|---|---|---|\n"]
    for name, model in events:
        fields = model.model_fields if model is not None else {}
        needed = [field for field, about in fields.items() if about.is_required()]
        spare = [field for field, about in fields.items() if not about.is_required()]
        parts.append(f"| `{name}` | {_words(needed)} | {_words(spare)} |\n")
    return "".join(parts)


def runtime_app() -> FastAPI:
    """A runtime with the official modules, as it serves them; it reaches no database."""
    from app.config import Settings
    from app.core.plugins.loader import discover_modules
    from app.core.plugins.registry import ModuleRegistry, MountedModule
    from app.core.runtime.routers import serving_routers
    from app.database import Database
    from app.main import create_app

    official = [MountedModule(found.module, found.manifest) for found in discover_modules() if found.of_core]
    registry = ModuleRegistry(sorted(official, key=lambda module: (len(module.manifest.depends), module.name)))
    settings = Settings(secret_key=SecretStr("only to describe what a runtime serves"))
    return create_app(settings, registry, database=Database("postgresql://nobody@localhost/none"), routers=serving_routers())


def runtime_routes() -> str:
    """What a runtime with the official modules answers."""
    from app.core.auth.declarations import declarations

    app = runtime_app()
    return _table(app.openapi(), {(each.method.lower(), each.path): list(each.permissions) for each in declarations(app)})


def authorisation() -> str:
    """Every route, who may call it, and which of the standard roles that is."""
    from app.core.auth.declarations import Access, declarations
    from app.core.auth.permissions import ROLES, RoleGrants, permissions_for

    app = runtime_app()
    granted = {role: permissions_for(RoleGrants.standard(role), app.state.registry) for role in ROLES}
    parts = [f"| route | asks for | {' | '.join(ROLES)} |\n|---|---|{'---|' * len(ROLES)}\n"]
    for each in declarations(app):
        may = dict.fromkeys(ROLES, each.access is not Access.PLATFORM)
        if each.access is Access.PERMISSION:
            may = {role: all(permission in granted[role] for permission in each.permissions) for role in ROLES}
        asks = (
            _words(each.permissions) + (" in every clinic, or being the owner" if each.everywhere else "")
            or f"{each.access.value}{f': {each.reason}' if each.reason else ''}"
        )
        parts.append(f"| `{each.name}` | {asks} | {' | '.join('yes' if may[role] else '' for role in ROLES)} |\n")
    return "".join(parts)


def platform_authorisation() -> str:
    """Every route of the platform, the scopes it asks for, and which kinds of account that is for a tenant that is theirs."""
    from control_plane.access.declarations import declarations
    from control_plane.access.scopes import ROLES
    from control_plane.main import create_app
    from control_plane.platform import Platform

    parts = [f"| route | asks for | {' | '.join(f'{kind} {role}' for kind, role in ROLES)} |\n|---|---|{'---|' * len(ROLES)}\n"]
    for each in declarations(create_app(cast(Platform, SimpleNamespace(clock=None))), forgiving=True):
        asks = f"anybody: {each.open}" if each.open else _words(each.scopes) or "signed in"
        parts.append(f"| `{each.name}` | {asks} | {' | '.join('yes' if each.lets(*who) else '' for who in ROLES)} |\n")
    return "".join(parts)


def platform_routes() -> str:
    """What the control plane answers under /v1."""
    from control_plane.main import create_app
    from control_plane.platform import Platform

    return _table(create_app(cast(Platform, SimpleNamespace(clock=None))).openapi(), {})


def command_routes() -> str:
    """What the command line knows of the API."""
    from control_plane.cli.routes import text_of
    from control_plane.main import create_app
    from control_plane.platform import Platform

    return text_of(create_app(cast(Platform, SimpleNamespace(clock=None))).openapi())


def error_codes(*packages: str) -> str:
    """Every code a service raises, with the status it is answered with."""
    rows: dict[tuple[str, str], str] = {}
    for kind in _error_types():
        package = kind.__module__.partition(".")[0]
        if package in packages:
            note = (kind.__doc__ or "").strip().partition("\n")[0] if "__doc__" in vars(kind) else ""
            told = " ".join(word for word in ("Temporary." if issubclass(kind, TemporaryError) else "", note) if word)
            rows[kind.code, kind.__qualname__] = f"| `{kind.code}` | {kind.status} | `{kind.__module__}.{kind.__qualname__}` | {told} |\n"
    return "| code | status | type | |\n|---|---|---|---|\n" + "".join(row for _, row in sorted(rows.items()))


def database_codes() -> str:
    """What a runtime answers when PostgreSQL refuses a statement."""
    from app.core.errors import DATABASE

    found: dict[tuple[str, int], list[str]] = {}
    for state, (status, code, _) in DATABASE.items():
        found.setdefault((code, status), []).append(state)
    rows = [f"| `{code}` | {status} | {', '.join(states)} |\n" for (code, status), states in found.items()]
    return "| code | status | SQLSTATE |\n|---|---|---|\n" + "".join(rows)


def _words(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _error_types() -> Iterator[type[DomainError]]:
    for folder, package in SOURCES:
        for file in sorted((ROOT / folder).rglob("*.py")):
            inner = file.relative_to(ROOT / folder).with_suffix("")
            if "tests" in inner.parts or (package == "app" and inner.parts[0] == "modules") or not CODE.search(file.read_text()):
                continue
            module = importlib.import_module(".".join((package, *inner.parts)))
            own = (value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__)
            yield from (value for value in own if issubclass(value, DomainError) and "code" in vars(value))


def _table(document: Mapping[str, Any], permissions: Mapping[tuple[str, str], list[str]]) -> str:
    needs = bool(permissions)
    parts = ["| route | takes | answers |" + (" permission |" if needs else "") + "\n|---|---|---|" + ("---|" if needs else "") + "\n"]
    for path, operations in document["paths"].items():
        for method in METHODS:
            if operation := operations.get(method):
                row = f"| `{method.upper()} {path}` | {_takes(operation)} | {_answers(operation)} |"
                parts.append(row + (f" {_words(permissions.get((method, path), []))} |" if needs else "") + "\n")
    return "".join(parts)


def _takes(operation: Mapping[str, Any]) -> str:
    query = [f"`?{parameter['name']}=`" for parameter in operation.get("parameters", []) if parameter["in"] == "query"]
    body = operation.get("requestBody", {}).get("content", {})
    return ", ".join([*(f"`{_schema(content.get('schema', {}))}`" for content in body.values()), *query])


def _answers(operation: Mapping[str, Any]) -> str:
    status, answer = next((code, answer) for code, answer in operation["responses"].items() if code.startswith("2"))
    names = [_schema(content.get("schema", {})) for content in answer.get("content", {}).values()]
    return " ".join([status, *(f"`{name}`" for name in names if name)])


def _schema(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]
