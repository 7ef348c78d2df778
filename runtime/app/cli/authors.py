"""`dentalpin modules check` and `new`: for those who write modules, in this repository or in one of their own (guide §2, §8, §13).

Needs no database. Exit status of `check`: 0 nothing to correct, 1 something is, 2 there is no module to check.
"""

import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from app.core.plugins.checks.issues import Issue, Severity
from app.core.plugins.errors import PluginError
from app.core.plugins.loader import core_version

if TYPE_CHECKING:
    from app.core.plugins.checks.projects import Project

Targets = Annotated[
    list[str] | None, typer.Argument(metavar="[PATH|WHEEL|NAME]...", help="Source folders, wheels or installed modules; default: here.")
]


def check(
    targets: Targets = None,
    against: Annotated[str | None, typer.Option("--against", help="Compare versions with this git commit, not the last release.")] = None,
    update: Annotated[bool, typer.Option("--update", help="Write surface.json as the code is, then check.")] = False,
    wheel: Annotated[bool, typer.Option("--wheel/--no-wheel", help="Build the wheel and look into it.")] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Check modules: manifest, branch, imports, foreign keys, routes, events, tools, seeds, versions, wheel."""
    # What checks a module imports far more than the operators' commands beside this one need.
    from app.core.plugins.checks.judging import judge
    from app.core.plugins.checks.projects import opened

    issues: list[Issue] = []
    names: list[str] = []
    try:
        for target in targets or ["."]:
            with TemporaryDirectory(prefix="dentalpin-wheel-") as folder, opened(target, Path(folder)) as project:
                names += [found.name for found in project.modules]
                if update:
                    _update(project)
                issues += judge(project, core_version=core_version(), against=against, wheel=wheel)
    except PluginError as error:
        typer.echo(f"{error.message} [{error.code}]", err=True)
        raise typer.Exit(error.exit_code) from error
    if as_json:
        document = {"modules": names, "issues": [asdict(found) for found in issues]}
        typer.echo(json.dumps({"data": document}, ensure_ascii=False, indent=2))
    else:
        _show(names, issues)
    if any(strict or found.severity is Severity.ERROR for found in issues):
        raise typer.Exit(1)


def new(
    name: Annotated[str, typer.Argument(help="The module's name, snake_case: prefix of its routes, tables and permissions.")],
    path: Annotated[Path | None, typer.Option("--path", help="The folder to make; default: dentalpin-NAME here.")] = None,
    author: Annotated[str, typer.Option("--author", help="For the manifest.")] = "Your Name",
    license_name: Annotated[str, typer.Option("--license", help="For the manifest.")] = "MIT",
) -> None:
    """Start a community module in a folder of its own: it passes `check` and its own tests as it is."""
    from app.core.plugins.checks.scaffold import NewModule, write_module

    try:
        made = write_module(NewModule(name, author=author, license=license_name), path)
    except PluginError as error:
        typer.echo(f"{error.message} [{error.code}]", err=True)
        raise typer.Exit(2) from error
    typer.echo(f"Made {made}. What follows:")
    typer.echo(f"  cd {made}")
    typer.echo("  pip install --editable '.[tests]'")
    typer.echo("  pytest")
    typer.echo("  dentalpin modules check")


def _update(project: "Project") -> None:
    from app.core.plugins.checks.versioning import update_surface

    for found in project.modules:
        home = project.homes.get(found.name)
        if home is not None:
            update_surface(found, home)


def _show(names: list[str], issues: list[Issue]) -> None:
    for found in issues:
        typer.echo(f"{found.severity}: {found.message} [{found.code}]")
    errors = sum(found.severity is Severity.ERROR for found in issues)
    warnings = len(issues) - errors
    told = "nothing to correct" if not issues else f"{errors} to correct, {warnings} to look at"
    typer.echo(f"{', '.join(names)}: {told}.")
