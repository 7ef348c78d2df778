"""The commands behind `dentalpin`, as a typer application whose groups are loaded when they are named."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import typer
from typer.core import TyperGroup

from app.core.copies.guard import protect
from dentalpin_kit import logs, tracing
from dentalpin_kit.problems import DomainError

GROUPS: Final = {
    "clinics": "app.cli.clinics",
    "events": "app.cli.events",
    "jobs": "app.cli.jobs",
    "modules": "app.cli.modules",
    "users": "app.cli.users",
}
"""Where each group's `app` is; imported when the group is named, since `release` and `--help` need none of it."""
SINGLE: Final = {"export": "app.cli.exports", "import": "app.cli.exports"}
"""Likewise of commands that stand by themselves."""


class LazyGroup(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return sorted({*super().list_commands(ctx), *GROUPS, *SINGLE})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in SINGLE:
            return typer.main.get_group(import_module(SINGLE[cmd_name]).app).commands[cmd_name]
        if cmd_name not in GROUPS:
            return super().get_command(ctx, cmd_name)
        command = typer.main.get_command(import_module(GROUPS[cmd_name]).app)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Operate a DentalPin clinic runtime."
)
release_app = typer.Typer(no_args_is_help=True, help="The release this environment is.")
app.add_typer(release_app, name="release")


@app.command()
def serve() -> None:
    """Boot if there is anything to do, then serve this clinic until told to stop. Settings come from the environment."""
    from app.serve import main

    raise typer.Exit(main())


@app.command()
def prepare() -> None:
    """Bring the database to what this environment and revision ask for, and end: what an init container runs before `serve`."""
    from app.serve import prepare as run_boot

    raise typer.Exit(run_boot())


@app.command(hidden=True)
def courier() -> None:
    """Carry this clinic's files and exports to the platform and back, on the control port: what a Kubernetes Job runs beside its volume."""
    from app.core.runtime.courier import run as carry
    from app.core.runtime.settings import read_settings

    carry(read_settings())


@release_app.command("describe")
def describe() -> None:
    """Print the release's catalogue as canonical JSON; its SHA-256 is the release's id."""
    from app.release import describe_text

    sys.stdout.write(describe_text())


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit status. Errors of the domain are one line on stderr, without a traceback.

    Where a runtime started it (the removal of modules), its environment names the file that the runtime logs to.
    """
    if file := os.environ.get("DENTALPIN_LOG_FILE"):
        logs.configure(level=os.environ.get("DENTALPIN_LOG_LEVEL", "INFO"), file=Path(file))
    try:
        if not protect():
            tracing.configure("dentalpin-runtime", os.environ, process="command")
        app(list(arguments))
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except DomainError as error:
        typer.echo(f"{error.message} [{error.code}]", err=True)
        return 1
    finally:
        tracing.shut_down()
    return 0
