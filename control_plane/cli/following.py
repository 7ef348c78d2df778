"""Following an operation: a bar on a terminal, a line for each step elsewhere."""

import sys
from collections.abc import Iterator
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from control_plane.cli import printing
from control_plane.cli.client import Api, CommandFailed

_OVER = frozenset({"done", "skipped"})


def follow(api: Api, operation: str, *, as_json: bool) -> None:
    """Print progress until the operation is over. Raises CommandFailed unless it succeeded."""
    events = api.watch(operation)
    if as_json:
        last = _to_the_end(events)
        printing.print_json(last)
    elif sys.stdout.isatty():
        last = draw(events, Console())
    else:
        last = _lines(events)
    if last.get("state") != "succeeded":
        raise CommandFailed(f"The operation is {last.get('state')}: {last.get('reason')}", last if as_json else None)


def _to_the_end(events: Iterator[dict[str, Any]]) -> dict[str, Any]:
    *_, last = events
    return last


def _lines(events: Iterator[dict[str, Any]]) -> dict[str, Any]:
    last: dict[str, Any] = {}
    told: set[str] = set()
    for last in events:
        for step in last["steps"]:
            line = f"{step['name']:9} {step['state']}" + (f": {step['reason']}" if step["reason"] else "")
            if step["state"] != "pending" and line not in told:
                told.add(line)
                typer.echo(line)
    return last


def draw(events: Iterator[dict[str, Any]], console: Console) -> dict[str, Any]:
    """A bar over the steps with the one at work and, where it waits, why."""
    last: dict[str, Any] = {}
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("waiting for a worker", total=None)
        for last in events:
            steps = last["steps"]
            at = next((step for step in steps if step["state"] not in _OVER), None)
            words = f"{last['kind']}: {at['name']}" if at else f"{last['kind']}: {last['state']}"
            reason = f" ({at['reason']})" if at and at["reason"] else ""
            progress.update(bar, description=words + reason, total=len(steps), completed=sum(step["state"] in _OVER for step in steps))
    return last
