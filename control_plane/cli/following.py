"""Following an operation: a line for each step as it goes."""

from typing import Any

import typer

from control_plane.cli import printing
from control_plane.cli.client import Api, CommandFailed


def follow(api: Api, operation: str, *, as_json: bool) -> None:
    """Print progress until the operation is over. Raises CommandFailed unless it succeeded."""
    last: dict[str, Any] = {}
    told: set[str] = set()
    for last in api.watch(operation):
        for step in last["steps"]:
            line = f"{step['name']:9} {step['state']}" + (f": {step['reason']}" if step["reason"] else "")
            if not as_json and step["state"] != "pending" and line not in told:
                told.add(line)
                typer.echo(line)
    if as_json:
        printing.print_json(last)
    if last.get("state") != "succeeded":
        raise CommandFailed(f"The operation is {last.get('state')}: {last.get('reason')}", last if as_json else None)
