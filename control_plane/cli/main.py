"""The commands. `dentalpin-cloud --help` lists them; each is one request, or one stream that is followed."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from control_plane.cli import printing
from control_plane.cli.audit import audit
from control_plane.cli.client import Api, CommandFailed, Target
from control_plane.cli.following import follow
from control_plane.cli.generated import add_generated
from control_plane.cli.state import State, state_of
from control_plane.cli.support_bundle import support_bundle
from control_plane.cli.tenants import tenants

app = typer.Typer(help="DentalPin's platform on a command line.", no_args_is_help=True, pretty_exceptions_enable=False)
operations = typer.Typer(help="Pieces of work on a tenant.", no_args_is_help=True)
keys = typer.Typer(help="Operator keys.", no_args_is_help=True)
app.add_typer(tenants, name="tenants")
app.add_typer(operations, name="operations")
app.add_typer(keys, name="keys")
app.add_typer(audit, name="audit")
app.command("support-bundle")(support_bundle)
GENERATED = add_generated(app, {"tenants": tenants, "operations": operations, "keys": keys, "audit": audit})
"""Which route became which command."""

AsJson = Annotated[bool, typer.Option("--json", help="Print what the API answers.")]
AlwaysJson = Annotated[bool, typer.Option("--json", help="Print what the API answers, as this command does anyway.")]


@app.callback()
def options(
    context: typer.Context,
    url: Annotated[str | None, typer.Option(help="The platform's address; else DENTALPIN_CLOUD_URL, else the platform of --data.")] = None,
    key: Annotated[str | None, typer.Option(help="An operator key. A file is safer: it is not seen in process listings.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="A file with an operator key; else DENTALPIN_CLOUD_KEY_FILE.")] = None,
    data: Annotated[Path | None, typer.Option(help="The data folder of a platform on this machine (default ./var).")] = None,
    as_json: AsJson = False,
) -> None:
    if context.obj is None and not context.resilient_parsing:
        context.obj = State(lambda: Api(Target.find(url, key, key_file, data)), as_json)


@app.command()
def modules(context: typer.Context, as_json: AsJson = False) -> None:
    """The modules of the newest release, with their prices."""
    state = state_of(context)
    found = state.api.call("GET", "/v1/modules")
    if state.as_json or as_json:
        printing.print_json(found)
        return
    rows = [
        [one["name"], one["version"], f"{one['price']['amount']} {one['price']['currency']}", one["why_not"] or one["summary"]]
        for one in found["modules"]
    ]
    typer.echo(f"core {found['core_version']}, release {found['release']}")
    typer.echo(printing.table(rows))


@app.command()
def refresh(context: typer.Context, as_json: AlwaysJson = True) -> None:
    """Read the runtime's environment again, after a distribution was installed into it."""
    printing.print_json(state_of(context).api.call("POST", "/v1/releases/refresh"))


@app.command()
def compliance(
    context: typer.Context,
    country: str,
    on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day the law is asked about.")] = None,
    territory: str | None = None,
    as_json: AlwaysJson = True,
) -> None:
    """What a country's law asks of a clinic."""
    day = on.date().isoformat() if on else None
    printing.print_json(state_of(context).api.call("GET", f"/v1/compliance/{country}", on=day, territory=territory))


@operations.command("get")
def get_operation(context: typer.Context, operation: str, as_json: AsJson = False) -> None:
    """An operation with its steps."""
    state = state_of(context)
    _show(state.api.call("GET", f"/v1/operations/{operation}"), as_json=state.as_json or as_json)


@operations.command("watch")
def watch_operation(context: typer.Context, operation: str, as_json: AsJson = False) -> None:
    """Follow an operation to its end; fails when it did."""
    state = state_of(context)
    follow(state.api, operation, as_json=state.as_json or as_json)


@operations.command("retry")
def retry_operation(context: typer.Context, operation: str, as_json: AsJson = False) -> None:
    """Take a failed operation up again where it failed."""
    state = state_of(context)
    _show(state.api.call("POST", f"/v1/operations/{operation}/retry"), as_json=state.as_json or as_json)


@keys.command("create")
def create_key(context: typer.Context, name: Annotated[str, typer.Argument(help="Whose key this is.")], as_json: AsJson = False) -> None:
    """Make a key. It is shown this once."""
    state = state_of(context)
    made = state.api.call("POST", "/v1/keys", {"name": name})
    if state.as_json or as_json:
        printing.print_json(made)
    elif made["key"] is None:
        raise CommandFailed(f"The key was made and its answer lost. Revoke it (keys revoke {made['prefix']}) and make another.")
    else:
        typer.echo(made["key"])


@keys.command("list")
def list_keys(context: typer.Context, as_json: AlwaysJson = True) -> None:
    """Keys by their beginnings."""
    printing.print_json(state_of(context).api.call("GET", "/v1/keys")["items"])


@keys.command("revoke")
def revoke_key(context: typer.Context, prefix: str, as_json: AlwaysJson = True) -> None:
    """Refuse a key from now on."""
    printing.print_json(state_of(context).api.call("DELETE", f"/v1/keys/{prefix}"))


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        printing.print_json(found)
    else:
        typer.echo(printing.operation(found))


def main(arguments: list[str] | None = None) -> None:
    """The program: exit status 1 with one sentence on stderr when the platform refuses."""
    try:
        app(arguments, prog_name="dentalpin-cloud")
    except CommandFailed as refused:
        typer.echo(str(refused), err=True)
        sys.exit(1)
