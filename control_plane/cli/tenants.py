"""`dentalpin-cloud tenants …`"""

from typing import Annotated, Any

import typer

from control_plane.cli import printing
from control_plane.cli.client import CommandFailed
from control_plane.cli.following import follow
from control_plane.cli.state import State, state_of

tenants = typer.Typer(help="Clinics' accounts: one database, one runtime, one bill each.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print what the API answers.")]
Wait = Annotated[bool, typer.Option("--wait", help="Follow the operation to its end.")]
Modules = Annotated[list[str] | None, typer.Argument(help="What the clinic chooses; dependencies and law are added.")]


@tenants.command("create")
def create(
    context: typer.Context,
    name: str,
    country: Annotated[str, typer.Option(help="Two letters.")],
    owner_email: Annotated[str, typer.Option(help="Gets the one-time link.")],
    module: Annotated[list[str] | None, typer.Option(help="A chosen module; repeat it for more.")] = None,
    slug: str | None = None,
    territory: str | None = None,
    legal_form: str | None = None,
    tax_id: str | None = None,
    fact: Annotated[list[str] | None, typer.Option(help="A further fact the law asks for, as name=value.")] = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Open a clinic's account and begin to set it up."""
    body = {
        "name": name,
        "slug": slug,
        "country": country,
        "territory": territory,
        "legal_form": legal_form,
        "tax_id": tax_id,
        "facts": dict(_pair(one) for one in fact or []),
        "owner_email": owner_email,
        "modules": module or [],
    }
    _started(state_of(context), "POST", "/v1/tenants", body, wait=wait, as_json=as_json)


@tenants.command("get")
def get(context: typer.Context, slug: str, as_json: AsJson = False) -> None:
    """What a tenant is to run, what it runs, and why."""
    state = state_of(context)
    _print(state, state.api.call("GET", f"/v1/tenants/{slug}"), printing.tenant, as_json=as_json)


@tenants.command("list")
def list_(context: typer.Context, status: Annotated[str | None, typer.Option("--state")] = None, as_json: AsJson = False) -> None:
    """All tenants, deleted ones only with --state deleted."""
    state = state_of(context)
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = state.api.call("GET", "/v1/tenants", after=after, limit=200, state=status)
        found += page["items"]
        after = page["next"]
        if after is None:
            break
    _print(state, found, printing.tenants, as_json=as_json)


@tenants.command("plan")
def plan(context: typer.Context, slug: str, modules: Modules = None, as_json: AsJson = False) -> None:
    """What `set-modules` would change, and why. Nothing is written."""
    state = state_of(context)
    _print(state, state.api.call("POST", f"/v1/tenants/{slug}/plan", {"modules": modules or []}), printing.plan, as_json=as_json)


@tenants.command("set-modules")
def set_modules(context: typer.Context, slug: str, modules: Modules = None, wait: Wait = False, as_json: AsJson = False) -> None:
    """Choose the modules of a tenant; what is not named is no longer chosen."""
    _started(state_of(context), "PUT", f"/v1/tenants/{slug}/modules", {"modules": modules or []}, wait=wait, as_json=as_json)


@tenants.command("invite")
def invite(
    context: typer.Context,
    slug: str,
    owner_email: Annotated[str | None, typer.Option(help="The corrected address.")] = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Send the owner's one-time link again; earlier ones stop working."""
    _started(state_of(context), "POST", f"/v1/tenants/{slug}/invitation", {"owner_email": owner_email}, wait=wait, as_json=as_json)


@tenants.command("delete")
def delete(
    context: typer.Context,
    slug: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Close a clinic and, once the time to undo it is over, delete it with its database; a last copy is kept for a while."""
    if not yes and typer.prompt(f"Type {slug} to delete this clinic with its database") != slug:
        raise CommandFailed("Nothing was deleted.")
    _started(state_of(context), "DELETE", f"/v1/tenants/{slug}", None, wait=wait, as_json=as_json)


def _started(state: State, method: str, path: str, body: dict[str, Any] | None, *, wait: bool, as_json: bool) -> None:
    found = state.api.call(method, path, body)
    operation = found["operation"]
    if operation is not None and wait:
        follow(state.api, operation["id"], as_json=False)
        found = {"tenant": state.api.call("GET", f"/v1/tenants/{found['tenant']['slug']}"), "operation": None}
    if state.as_json or as_json:
        printing.print_json(found)
        return
    typer.echo(printing.tenant(found["tenant"]))
    if operation is None:
        typer.echo("Nothing had to be done.")
    elif not wait:
        typer.echo(f"Follow it with: dentalpin-cloud operations watch {operation['id']}")


def _print(state: State, found: Any, words: Any, *, as_json: bool) -> None:
    if state.as_json or as_json:
        printing.print_json(found)
    else:
        typer.echo(words(found))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandFailed(f"--fact {text!r}: write it as name=value.")
    return name, value
