"""`dentalpin modules restore` and `prune-backups`: what was kept of modules that went, brought back or deleted."""

from dataclasses import asdict
from typing import Annotated

import typer

from app.config import Settings
from app.core.plugins import restoring
from app.core.plugins.backup import Backup, list_backups
from app.core.plugins.backup.pruning import Retention, prune
from app.core.plugins.processor import Processor
from app.core.plugins.restoring import RestoreAnswer
from app.core.plugins.retrying import Limits
from app.core.runtime.revision import RevisionDocument
from app.core.runtime.settings import read_settings

from .owner import RESTART_HINT, Json, owner_url, print_json, run


def register(app: typer.Typer) -> None:
    """Put the commands beside the others of `dentalpin modules`."""
    app.command()(restore)
    app.command("prune-backups")(prune_backups)


def restore(
    name: Annotated[str, typer.Argument(help="The module's name, as `modules list` shows it.")],
    backup: Annotated[str | None, typer.Option("--backup", help="The backup: its id or file; the newest one without it.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace rows that are there; they are backed up first.")] = False,
    show: Annotated[bool, typer.Option("--list", help="Only show the backups there are.")] = False,
    as_json: Json = False,
) -> None:
    """Bring back a module's rows from a backup; the module is installed afterwards."""
    settings = read_settings()
    if show:
        return _show(list_backups(settings.storage, name), as_json)
    answer = run(lambda: _restore(settings, name, backup, replace), as_json)
    if as_json:
        return print_json({"data": asdict(answer), "message": answer.message})
    typer.echo(answer.message)
    if answer.requires_restart:
        typer.echo(RESTART_HINT)


def prune_backups(
    keep: Annotated[int | None, typer.Option("--keep", min=0, help="The newest so many of each module stay whatever their age.")] = None,
    days: Annotated[int | None, typer.Option("--days", min=0, help="What is younger stays.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    as_json: Json = False,
) -> None:
    """Delete old backups of modules. Without options the settings decide; without those nothing is deleted."""
    settings = read_settings()
    retention = Retention(keep=settings.backup_keep if keep is None else keep, days=settings.backup_days if days is None else days)
    gone = prune(settings.storage, retention, dry_run=dry_run)
    if as_json:
        return print_json({"data": [backup.summary() for backup in gone], "dry_run": dry_run})
    for backup in gone:
        typer.echo(f"{'would delete' if dry_run else 'deleted'} {backup.id}  {backup.manifest.rows} rows")
    if retention.days is None:
        typer.echo("No age was given (--days, DENTALPIN_BACKUP_DAYS), so every backup is kept.")
    elif not gone:
        typer.echo("Nothing is old enough.")


def _show(backups: list[Backup], as_json: bool) -> None:
    if as_json:
        return print_json({"data": [backup.summary() for backup in backups]})
    for backup in backups:
        manifest = backup.manifest
        typer.echo(f"{backup.id}  {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC  {manifest.version:<9}  {manifest.rows} rows")
    if not backups:
        typer.echo("There are no backups of this module here. One is made whenever a module is uninstalled.")


async def _restore(settings: Settings, name: str, backup: str | None, replace: bool) -> RestoreAnswer:
    revision = RevisionDocument.read(settings.revision_file) if settings.revision_file is not None else None
    processor = Processor(
        owner_url(settings),
        settings.storage,
        generation=revision.generation if revision else None,
        bindir=settings.pg_bindir,
        limits=Limits.of(settings),
    )
    return await restoring.restore(processor, name, file=backup, replace=replace, managed=settings.managed)
