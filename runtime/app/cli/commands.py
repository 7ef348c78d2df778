"""The commands behind `dentalpin`, as a typer application whose groups are loaded when they are named."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from dentalpin_kit import logs, tracing
from dentalpin_kit.problems import DomainError


class LazyGroup(TyperGroup):
    """`modules` imports the module system, which `release` and `--help` do not need."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted({*super().list_commands(ctx), "modules"})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name != "modules":
            return super().get_command(ctx, cmd_name)
        from app.cli.modules import app as modules

        command = typer.main.get_command(modules)
        command.name = "modules"
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
    tracing.configure("dentalpin-runtime", os.environ, process="command")
    try:
        app(list(arguments))
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except DomainError as error:
        typer.echo(f"{error.message} [{error.code}]", err=True)
        return 1
    finally:
        tracing.shut_down()
    return 0
