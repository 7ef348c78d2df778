"""A command for every route that has none of its own: its path's names are arguments, its query and its body options.

`--json` prints the answer as it came; without it lists are tables and things are their members, one a line.
"""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from control_plane.cli import printing
from control_plane.cli.client import CommandFailed
from control_plane.cli.coverage import BY_HAND, reason_without
from control_plane.cli.following import follow
from control_plane.cli.routes import Field, Route, routes
from control_plane.cli.state import State, state_of

_TYPES: Final[dict[str, Any]] = {
    "text": str | None,
    "number": int | None,
    "yes/no": bool | None,
    "list": list[str] | None,
    "json": str | None,
}
_PAGE: Final = 200


def add_generated(app: typer.Typer, groups: dict[str, typer.Typer]) -> dict[str, str]:
    """Add the commands to `app`, into `groups` where the group exists; which route became which command."""
    made: dict[str, str] = {}
    taken = set(BY_HAND.values())
    for route in routes():
        if route.id in BY_HAND or reason_without(route.path) is not None:
            continue
        single = next((name for name in (route.group,) if name in taken), None)
        group = f"{route.group}-more" if single else route.group
        name = route.name
        while f"{group} {name}" in taken:
            name = f"{name}-{route.method.lower()}"
        if group not in groups:
            groups[group] = typer.Typer(help=f"What the API answers under /v1/{route.group}.", no_args_is_help=True)
            app.add_typer(groups[group], name=group)
        groups[group].command(name, help=route.summary)(_command(route))
        made[route.id] = f"{group} {name}"
        taken.add(f"{group} {name}")
    return made


def _command(route: Route) -> Callable[..., None]:
    def run(context: typer.Context, **given: Any) -> None:
        _run(route, state_of(context), given)

    parameters = [
        inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        *(_parameter(field.variable, Annotated[str, typer.Argument(help=field.help)]) for field in route.path_fields),
        *(_parameter(field.variable, Annotated[_TYPES[field.kind], _option(field)], None) for field in _options(route)),
    ]
    if route.takes_body:
        option = typer.Option("--body", help="The whole body as JSON, or @FILE; options are laid over it.")
        parameters.append(_parameter("body", Annotated[str | None, option], None))
    if route.method != "GET":
        option = typer.Option("--wait", help="Follow the operation that begins to its end.")
        parameters.append(_parameter("wait", Annotated[bool, option], False))
    if route.answers in ("file", "stream"):
        parameters.append(_parameter("output", Annotated[Path | None, typer.Option("--output", help="Where to write it.")], None))
    parameters.append(_parameter("as_json", Annotated[bool, typer.Option("--json", help="Print what the API answers.")], False))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads the options from it
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _option(field: Field) -> Any:
    return typer.Option(f"--{field.name.replace('_', '-')}", help=_help(field))


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _options(route: Route) -> list[Field]:
    """Query and body; a name in both is the body's, and pages are turned by the command itself."""
    body = {field.name for field in route.body}
    in_path = {field.name for field in route.path_fields}
    query = [field for field in route.query if field.name not in body and not (route.pages and field.name == "after")]
    return [field for field in (*query, *route.body) if field.name not in in_path]


def _help(field: Field) -> str:
    return f"{field.help} As JSON.".strip() if field.kind == "json" else field.help


def _run(route: Route, state: State, given: dict[str, Any]) -> None:
    as_json = state.as_json or given["as_json"]
    path = route.path
    for field in route.path_fields:
        path = path.replace(f"{{{field.name}}}", given[field.variable])
    values = {field.name: _value(field, given[field.variable]) for field in _options(route) if given[field.variable] is not None}
    in_body = {field.name for field in route.body}
    query = {name: value for name, value in values.items() if name not in in_body}
    body = {**_body(given.get("body")), **{name: value for name, value in values.items() if name in in_body}} if route.takes_body else None
    if route.answers in ("file", "stream"):
        _save(state, path, given["output"], query)
        return
    found = _pages(state, path, query) if route.pages else state.api.call(route.method, path, body, **query)
    operation = operation_in(found)
    if given.get("wait") and operation is not None:
        follow(state.api, operation, as_json=as_json)
        return
    if as_json:
        printing.print_json(found)
    else:
        typer.echo(printing.anything(found))
        if operation is not None:
            typer.echo(f"Follow it with: dentalpin-cloud operations watch {operation}")


def operation_in(found: dict[str, Any]) -> str | None:
    """The operation an answer is about and that goes on."""
    inner = found.get("operation") if isinstance(found.get("operation"), dict) else found
    if isinstance(inner, dict) and "steps" in inner and not inner.get("finished"):
        return str(inner["id"])
    return None


def _value(field: Field, text: Any) -> Any:
    if field.kind != "json":
        return text
    try:
        return json.loads(text)
    except ValueError:
        # A date, an amount or a name stands for itself.
        return text


def _body(given: str | None) -> dict[str, Any]:
    if given is None:
        return {}
    try:
        text = Path(given[1:]).read_text(encoding="utf-8") if given.startswith("@") else given
        found = json.loads(text)
    except (OSError, ValueError) as error:
        raise CommandFailed(f"--body cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise CommandFailed("--body must be a JSON object.")
    return found


def _pages(state: State, path: str, query: dict[str, Any]) -> dict[str, Any]:
    """All pages, or the first `limit` items."""
    wanted = query.pop("limit", None)
    items: list[Any] = []
    after = None
    while True:
        size = min(_PAGE, wanted - len(items)) if wanted else _PAGE
        page = state.api.call("GET", path, None, **query, after=after, limit=size)
        items += page["items"]
        after = page["next"]
        if after is None or (wanted and len(items) >= wanted):
            return {"items": items, "next": after}


def _save(state: State, path: str, output: Path | None, query: dict[str, Any]) -> None:
    if output is None:
        for line in state.api.lines(path, **query):
            typer.echo(line)
        return
    size = state.api.download(path, output, **query)
    typer.echo(f"{output}: {size} bytes")
