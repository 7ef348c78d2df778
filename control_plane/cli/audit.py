"""`dentalpin-cloud audit …`: what was done, and whether the record of it is whole. Verifying trusts the entries, not the platform."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from control_plane.audit.chain import Head, Link, Verdict, verify
from control_plane.cli import printing
from control_plane.cli.client import CommandFailed
from control_plane.cli.state import state_of

audit = typer.Typer(help="Who did what on this platform.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@audit.command("list")
def list_entries(
    context: typer.Context,
    tenant_id: Annotated[str | None, typer.Option(help="Only what was done to this tenant.")] = None,
    actor: str | None = None,
    action: str | None = None,
    limit: int = 50,
    after: Annotated[str | None, typer.Option(help="The `next` of the page before.")] = None,
    as_json: AsJson = False,
) -> None:
    """Entries, the last first."""
    state = state_of(context)
    found = state.api.call("GET", "/v1/audit", tenant_id=tenant_id, actor=actor, action=action, limit=limit, after=after)
    if state.as_json or as_json:
        printing.print_json(found)
        return
    rows = [[one["position"], one["at"], one["actor"], one["action"], json.dumps(one["details"])] for one in found["items"]]
    typer.echo(printing.table(rows))


@audit.command("head")
def head(context: typer.Context, as_json: AsJson = False) -> None:
    """Where the chain ends now. Note it outside this platform, and compare later with `verify --head`."""
    state = state_of(context)
    found = state.api.call("GET", "/v1/audit/head")
    if state.as_json or as_json:
        printing.print_json(found)
    else:
        typer.echo(found["noted"])


@audit.command("export")
def export(context: typer.Context, file: Annotated[Path | None, typer.Argument(help="Where to; else the output.")] = None) -> None:
    """The whole chain as JSON lines."""
    lines = state_of(context).api.lines("/v1/audit/export")
    if file is None:
        for line in lines:
            typer.echo(line)
        return
    with file.open("w", encoding="utf-8") as stream:
        stream.writelines(f"{line}\n" for line in lines)


@audit.command("verify")
def verify_chain(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="An export; else the platform is asked for one.")] = None,
    noted: Annotated[str | None, typer.Option("--head", help="A head noted earlier (`position:link`): the chain must contain it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check that no entry was changed, removed, moved or added. Exit status 1 where one was."""
    state = state_of(context)
    if file is None:
        verdict = check(state.api.lines("/v1/audit/export"), noted)
    else:
        with file.open(encoding="utf-8") as stream:
            verdict = check(stream, noted)
    if state.as_json or as_json:
        printing.print_json(
            {"whole": verdict.broken_at is None, "entries": verdict.head.position, "head": str(verdict.head), "broken": verdict.why}
        )
    elif verdict.why is None:
        typer.echo(f"The chain is whole: {verdict.head.position} entries, head {verdict.head}")
    else:
        typer.echo(f"The chain is broken: {verdict.why}. Everything before entry {verdict.broken_at} is as it was written.", err=True)
    if verdict.why is not None:
        sys.exit(1)


def check(lines: Iterable[str], noted: str | None = None) -> Verdict:
    """The verdict on an export, and on a head noted earlier. Raises CommandFailed for what is no export."""
    ends: list[Head] = []
    chain = list(_links(lines, ends))
    if not ends:
        last = Head(chain[-1].position, chain[-1].link) if chain else Head(0, "")
        return Verdict(last, last.position + 1, "the export has no last line with its head: it was cut off, or is still being written")
    verdict = verify(chain, ends[0])
    if verdict.why is None and verdict.head != ends[0]:
        return Verdict(verdict.head, ends[0].position + 1, f"there are entries behind the head ({ends[0].position})")
    if verdict.why is None and noted is not None:
        return verify(chain, _head(noted))
    return verdict


def _links(lines: Iterable[str], ends: list[Head]) -> Iterator[Link]:
    for number, line in enumerate(lines, start=1):
        try:
            value: dict[str, Any] = json.loads(line)
            if "head" in value:
                ends.append(Head(**value["head"]))
            else:
                yield Link(**value)
        except (ValueError, TypeError) as error:
            raise CommandFailed(f"Line {number} is no line of an audit export.") from error


def _head(text: str) -> Head:
    position, _, link = text.partition(":")
    if not position.isdigit() or not link:
        raise CommandFailed("--head is `position:link`, as `audit head` prints it.")
    return Head(int(position), link)
