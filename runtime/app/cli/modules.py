"""`dentalpin modules …`: the module system for the people who operate a clinic's runtime (seeds, guide §11).

Runs as the database's owner. Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 a module is not as asked, 4 unknown module.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from app.cli import authors
from app.config import Settings
from app.core.plugins import books, restoring, service
from app.core.plugins.backup import Backup, list_backups
from app.core.plugins.doctor import examine
from app.core.plugins.errors import PluginError
from app.core.plugins.loader import core_version, discover_modules
from app.core.plugins.manifest_validator import Severity
from app.core.plugins.operation_log import describe
from app.core.plugins.processor import Processor
from app.core.plugins.report import ProcessorReport
from app.core.plugins.restoring import RestoreAnswer
from app.core.runtime.revision import RevisionDocument
from app.core.runtime.settings import read_settings
from app.database import sqlalchemy_url
from dentalpin_kit.logs import scrub
from dentalpin_kit.problems import DomainError

app = typer.Typer(no_args_is_help=True, help="Modules of this runtime: what is installed, what is pending, and changing it.")
app.command()(authors.check)
app.command()(authors.new)

NOT_AS_ASKED = 3
RESTART_HINT = "Restart required: run `dentalpin modules restart`, or restart the service."
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Name = Annotated[str, typer.Argument(help="The module's name, as `modules list` shows it.")]
T = TypeVar("T")


@app.command("list")
def list_modules(as_json: Json = False) -> None:
    """Every module known here, with its state."""
    views = _run(_overview, as_json)
    if as_json:
        return _print({"data": [asdict(view) for view in views]})
    if not views:
        return typer.echo("No modules. A distribution with an entry point in the group dentalpin.modules adds one.")
    width = max(len(view.name) for view in views)
    for view in views:
        version = view.version or view.package_version or "-"
        typer.echo(f"{view.name:<{width}}  {view.state:<11}  {version:<9}  {view.category:<9}  {view.error or view.summary}")


@app.command()
def info(name: Name, as_json: Json = False) -> None:
    """Everything known of one module, with its last operations."""

    async def read() -> tuple[service.ModuleView, list[Any]]:
        async with _connection() as connection:
            view = await service.find(connection, discover_modules(), name)
            return view, await books.operations(connection, name, limit=20)

    view, operations = _run(read, as_json)
    if as_json:
        return _print({"data": {**asdict(view), "operations": operations}})
    for field, value in asdict(view).items():
        text = ", ".join(value) if isinstance(value, list | tuple) else value
        typer.echo(f"{field.replace('_', ' '):<16} {text if text not in (None, '') else '-'}")
    for row in operations:
        typer.echo(
            f"{row['created_at']:%Y-%m-%d %H:%M:%S}  {row['operation']:<9} {row['step']:<12} {row['status']:<9} attempt {row['attempt']}"
        )


@app.command()
def status(as_json: Json = False) -> None:
    """What is pending and what failed."""
    views = _run(_overview, as_json)
    pending = [view for view in views if view.pending]
    errored = [view for view in views if view.error]
    if as_json:
        _print({"data": {"pending": [asdict(view) for view in pending], "errored": [asdict(view) for view in errored]}})
    else:
        for view in pending:
            typer.echo(f"{view.name} is {view.state}" + (f" (attempt {view.attempts})" if view.attempts else ""))
        for view in errored:
            typer.echo(f"{view.name}: {view.error}", err=True)
        typer.echo(RESTART_HINT if pending else "Nothing is pending.")
    if errored:
        raise typer.Exit(NOT_AS_ASKED)


@app.command()
def install(name: Name, as_json: Json = False) -> None:
    """Schedule a module and all it needs for the next start."""
    _schedule(lambda connection: service.install(connection, discover_modules(), name, core_version=core_version()), as_json)


@app.command()
def upgrade(name: Name, as_json: Json = False) -> None:
    """Schedule the upgrade to the version of the installed package."""
    _schedule(lambda connection: service.upgrade(connection, discover_modules(), name), as_json)


@app.command()
def uninstall(name: Name, as_json: Json = False) -> None:
    """Schedule the removal of a module; its rows are backed up first."""
    _schedule(lambda connection: service.uninstall(connection, discover_modules(), name), as_json)


@app.command()
def restart(as_json: Json = False) -> None:
    """Have the serving process replaced, so that what is pending happens."""
    served = _run(_ask_for_restart, as_json)
    message = "The runtime is being restarted." if served else "Nothing serves at the moment; what is pending happens at the next start."
    _print({"data": {"restarting": served}, "message": message}) if as_json else typer.echo(message)


@app.command()
def process(
    removals: Annotated[bool, typer.Option("--removals", help="Do removals only, of modules no process serves any more.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="With --removals: wait until no older process serves them.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Count attempts anew, also of operations that were given up.")] = False,
    as_json: Json = False,
) -> None:
    """Run the pending processor now, as every start does."""
    report = _run(lambda: _process(removals=removals, wait=wait, retry=retry), as_json)
    if as_json:
        _print({"data": report.as_json()})
    else:
        for module in report.modules:
            if module.operation or module.reason:
                typer.echo(f"{module.name}: {module.outcome}" + (f" ({module.reason})" if module.reason else ""))
        if report.changed:
            typer.echo(RESTART_HINT)
    if report.not_as_asked:
        raise typer.Exit(NOT_AS_ASKED)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Look for orphans, missing dependencies, unusable manifests and migrations."""

    async def look() -> list[Any]:
        async with _connection() as connection:
            return await examine(connection, discover_modules(), core_version=core_version())

    findings = _run(look, as_json)
    if as_json:
        _print({"data": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            typer.echo(f"{finding.severity}: {finding.message} [{finding.code}]")
        if not findings:
            typer.echo("No issues.")
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise typer.Exit(1)


@app.command()
def restore(
    name: Name,
    backup: Annotated[str | None, typer.Option("--backup", help="The backup: its id or file; the newest one without it.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace rows that are there; they are backed up first.")] = False,
    show: Annotated[bool, typer.Option("--list", help="Only show the backups there are.")] = False,
    as_json: Json = False,
) -> None:
    """Bring back a module's rows from a backup; the module is installed afterwards."""
    settings = read_settings()
    if show:
        return _show_backups(list_backups(settings.storage, name), as_json)
    answer = _run(lambda: _restore(settings, name, backup, replace), as_json)
    if as_json:
        return _print({"data": asdict(answer), "message": answer.message})
    typer.echo(answer.message)
    if answer.requires_restart:
        typer.echo(RESTART_HINT)


def _show_backups(backups: list[Backup], as_json: bool) -> None:
    if as_json:
        return _print({"data": [backup.summary() for backup in backups]})
    for backup in backups:
        manifest = backup.manifest
        typer.echo(f"{backup.id}  {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC  {manifest.version:<9}  {manifest.rows} rows")
    if not backups:
        typer.echo("There are no backups of this module here. One is made whenever a module is uninstalled.")


async def _restore(settings: Settings, name: str, backup: str | None, replace: bool) -> RestoreAnswer:
    revision = RevisionDocument.read(settings.revision_file) if settings.revision_file is not None else None
    processor = Processor(
        _owner_url(settings), settings.storage, generation=revision.generation if revision else None, bindir=settings.pg_bindir
    )
    return await restoring.restore(processor, name, file=backup, replace=replace, managed=settings.managed)


def _schedule(work: Callable[[AsyncConnection], Coroutine[Any, Any, service.Scheduled]], as_json: bool) -> None:
    async def schedule() -> service.Scheduled:
        async with _connection() as connection:
            await service.refuse_if_managed(connection, managed=read_settings().managed)
            scheduled = await work(connection)
            await connection.commit()
            return scheduled

    scheduled = _run(schedule, as_json)
    if as_json:
        return _print({"data": asdict(scheduled)})
    if scheduled.modules:
        typer.echo(f"{scheduled.operation} scheduled: {', '.join(scheduled.modules)}")
    else:
        typer.echo("Nothing to do.")
    if scheduled.requires_restart:
        typer.echo(RESTART_HINT)


async def _overview() -> list[service.ModuleView]:
    async with _connection() as connection:
        return await service.overview(connection, discover_modules())


async def _process(*, removals: bool, wait: bool, retry: bool) -> ProcessorReport:
    settings = read_settings()
    if retry:
        async with _connection() as connection:
            await service.retry(connection)
            await connection.commit()
    revision = RevisionDocument.read(settings.revision_file) if settings.revision_file is not None else None
    processor = Processor(
        _owner_url(settings), settings.storage, generation=revision.generation if revision else None, bindir=settings.pg_bindir
    )
    return await (processor.remove_pending(wait=wait) if removals else processor.run(removals=True))


async def _ask_for_restart() -> bool:
    async with _connection() as connection:
        served = await connection.exec_driver_sql(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'dentalpin serving')"
        )
        await connection.exec_driver_sql("SELECT pg_notify('core_restart', '')")
        await connection.commit()
        return bool(served.scalar_one())


@asynccontextmanager
async def _connection() -> AsyncIterator[AsyncConnection]:
    """One transaction of the owner, rolled back unless committed."""
    engine = create_async_engine(sqlalchemy_url(_owner_url(read_settings())), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


def _owner_url(settings: Settings) -> str:
    url: SecretStr | None = settings.owner_database_url
    if url is None:
        typer.echo("OWNER_DATABASE_URL (or OWNER_DATABASE_URL_FILE) is not set: give the role that owns the clinic's tables.", err=True)
        raise typer.Exit(2)
    return url.get_secret_value()


def _run(work: Callable[[], Coroutine[Any, Any, T]], as_json: bool) -> T:
    try:
        return asyncio.run(work())
    except DomainError as error:
        _fail(error.message, error.code, error.exit_code if isinstance(error, PluginError) else 1, as_json)
    except OSError as error:
        _fail(f"The database cannot be reached: {error}. Check OWNER_DATABASE_URL and the server.", "database_unreachable", 1, as_json)
    except SQLAlchemyError as error:
        hint = "If this database was never started, run `dentalpin modules process` first."
        _fail(f"The database answered: {describe(error)}. {hint}", "database_error", 1, as_json)


def _fail(message: str, code: str, status: int, as_json: bool) -> NoReturn:
    message = scrub(message)
    if as_json:
        _print({"data": None, "message": message, "errors": [{"code": code}]})
    else:
        typer.echo(f"{message} [{code}]", err=True)
    raise typer.Exit(status)


def _print(document: Any) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else getattr(value, "isoformat", lambda: str(value))()
