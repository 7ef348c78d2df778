"""The generated parts of technical/core-api.md: what modules may rely on, read from the code's signatures and docstrings."""

import dataclasses
import enum
import importlib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "technical" / "core-api.md"
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

ALL: tuple[str, ...] = ()
PUBLIC: dict[str, tuple[str, ...]] = {
    # A package with `__all__` is listed whole.
    "app.core.plugins": ALL,
    "app.core.plugins.loader": ("discover_modules", "core_version"),
    "app.core.plugins.manifest_validator": ("read_manifest", "validate_module", "validate_set"),
    "app.core.plugins.registry": ("ModuleRegistry",),
    "app.database": (
        "Base",
        "get_db",
        "unit_of_work",
        "set_clinic",
        "current_unit",
        "UnitOfWork",
        "sqlalchemy_url",
        "NoUnitOfWork",
        "DatabaseUnavailable",
    ),
    "app.core.auth.dependencies": ("ClinicContext", "get_clinic_context", "require_permission"),
    "app.core.auth.permissions": ("ROLE_PERMISSIONS", "ROLES"),
    "app.core.schemas": ("ApiResponse", "PaginatedApiResponse"),
    "app.core.errors": ("DomainError", "TemporaryError"),
    "app.core.events": ALL,
    "app.core.jobs": ALL,
    "app.core.demos": ALL,
    "app.core.occupancy": ALL,
    "app.core.agents": ALL,
    "app.core.clock": ("now", "today"),
}


def python() -> str:
    """A table per package, a row per name; the methods of a class below it."""
    parts = []
    for package, names in PUBLIC.items():
        found = _imported(package)
        if found is None:
            continue
        parts.append(f"### `{package}`\n\n| name | promises |\n|---|---|\n")
        for name in names or sorted(found.__all__):
            parts += [
                f"| `{_cell(shown)}` | {_cell(promise)} |\n"
                for shown, promise in _rows(name, getattr(found, name), found.__dict__.get("__all__", ()))
            ]
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def _imported(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        return None


def _rows(name: str, value: Any, listed: Iterable[str]) -> Iterator[tuple[str, str]]:
    if inspect.isfunction(value):
        yield _signature(name, value), _first(value)
    elif inspect.isclass(value):
        yield f"class {name}{_fields(value)}", _first(value)
        if not issubclass(value, enum.Enum):
            yield from _members(name, value)
    elif type(value).__module__.startswith("app."):
        yield name, _first(type(value))
        if type(value).__name__ not in listed:
            yield from _members(name, type(value))
    else:
        yield name, f"`{dict(value) if isinstance(value, Mapping) else value!r}`"


def _fields(kind: type) -> str:
    """What values of the class carry, if it says so."""
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind) if not field.name.startswith("_")]
    else:
        names = list(getattr(kind, "model_fields", ()))
    return f"({', '.join(names)})" if names else ""


def _members(name: str, kind: type) -> Iterator[tuple[str, str]]:
    for attribute, member in vars(kind).items():
        if attribute.startswith("_") or attribute in {"model_config", "metadata", "registry"}:
            continue
        if isinstance(member, property):
            kind_of_value = inspect.signature(member.fget).return_annotation
            yield f"{name}.{attribute}", _first(member) or f"`{_plain(inspect.formatannotation(kind_of_value))}`"
        elif isinstance(member, classmethod | staticmethod):
            yield _signature(f"{name}.{attribute}", member.__func__), _first(member.__func__)
        elif inspect.isfunction(member) and not hasattr(member, "__pydantic_decorator__"):
            yield _signature(f"{name}.{attribute}", member), _first(member)


def _signature(name: str, function: Any) -> str:
    signature = inspect.signature(function)
    if any("Depends(" in str(parameter.annotation) for parameter in signature.parameters.values()):
        # FastAPI fills these in.
        return name
    given = [
        # Other defaults would be shown with an address, or in another order each time.
        parameter if isinstance(parameter.default, SIMPLE) else parameter.replace(default=_Other())
        for parameter in signature.parameters.values()
        if parameter.name not in ("self", "cls")
    ]
    return f"{'await ' if inspect.iscoroutinefunction(function) else ''}{name}{_plain(str(signature.replace(parameters=given)))}"


class _Other:
    def __repr__(self) -> str:
        return "…"


SIMPLE = (str, int, float, bool, tuple, type(None), type)


def _plain(annotated: str) -> str:
    """Types by their own names, without the modules they are defined in."""
    return re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Z])", "", annotated).replace("'", "").replace("~", "")


def _first(thing: Any) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def fixtures() -> str:
    from app.testing import fixtures as given

    rows = []
    for name, value in vars(given).items():
        function = getattr(value, "_fixture_function", None) or getattr(value, "__wrapped__", None)
        if function is not None and type(value).__name__ == "FixtureFunctionDefinition":
            rows.append(f"| `{name}` | {_cell(_first(function))} |\n")
    return "\n| fixture | gives |\n|---|---|\n" + "".join(rows) + "\n"


def conformance() -> str:
    from app.testing import conformance as suite

    tests = [name for name in suite.__all__ if name.startswith("test_")]
    groups: dict[str, list[str]] = {}
    for name in tests:
        groups.setdefault(getattr(suite, name).__module__.rpartition(".")[2], []).append(name)
    rows = [f"| {group} | {name.removeprefix('test_').replace('_', ' ')} |\n" for group, names in sorted(groups.items()) for name in names]
    return "\n| | what a module passes |\n|---|---|\n" + "".join(rows) + "\n"


def commands() -> str:
    import typer

    from app.cli.commands import app

    return "\n| command | |\n|---|---|\n" + "".join(_commands(typer.main.get_command(app), "dentalpin")) + "\n"


def _commands(group: Any, prefix: str) -> Iterator[str]:
    context = group.make_context(prefix, [], resilient_parsing=True)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            yield from _commands(command, f"{prefix} {name}")
            continue
        options = [parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.name.upper() for parameter in command.params]
        help_text = " ".join((command.help or "").partition("\n\n")[0].split())
        yield f"| `{' '.join([prefix, name, *options])}` | {_cell(help_text)} |\n"


PARTS = {"python": lambda: "\n" + python() + "\n", "fixtures": fixtures, "conformance": conformance, "commands": commands}


def page() -> str:
    """The page with its generated parts made anew; what stands between them is kept."""
    return PART.sub(lambda found: found[1] + PARTS[found[2]]() + found[3], PAGE.read_text())
