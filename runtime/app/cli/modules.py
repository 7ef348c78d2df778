"""`dentalpin modules …`: the module system for the people who operate a clinic's runtime (seeds, guide §11), as its owner."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import authors
from app.config import Settings
from app.core.plugins import books, service
from app.core.plugins.backup.pruning import Retention, prune
from app.core.plugins.checkup import Finding, kept
from app.core.plugins.doctor import examine, in_order_of_weight
from app.core.plugins.errors import ManagedElsewhere
from app.core.plugins.frontend_layers import layers
from app.core.plugins.loader import core_version, discover_modules
from app.core.plugins.manifest_validator import Severity
from app.core.plugins.plan import Change, Plan
from app.core.plugins.processor import Processor
from app.core.plugins.report import ProcessorReport
from app.core.plugins.retrying import Limits
from app.core.plugins.schemas import PlanOut
from app.core.plugins.survey import platform_of
from app.core.runtime.leaving_word import leave_word
from app.core.runtime.revision import RevisionDocument
from app.core.runtime.settings import read_settings

from . import backups
from .owner import NOT_AS_ASKED, RESTART_HINT, Json, owner_connection, owner_url, print_json, run

app = typer.Typer(no_args_is_help=True, help="Modules of this runtime: what is installed, what is pending, and changing it.")
app.command()(authors.check)
app.command()(authors.new)

Name = Annotated[str, typer.Argument(help="The module's name, as `modules list` shows it.")]
OnlyPlan = Annotated[bool, typer.Option("--plan", help="Only show what it would do, and what stands against it.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the request.")]


@app.command("list")
def list_modules(as_json: Json = False) -> None:
    """Every module known here, with its state."""
    views = run(_overview, as_json)
    if as_json:
        return print_json({"data": [asdict(view) for view in views]})
    if not views:
        return typer.echo("No modules. A distribution with an entry point in the group dentalpin.modules adds one.")
    width = max(len(view.name) for view in views)
    for view in views:
        version = view.version or view.package_version or "-"
        typer.echo(f"{view.name:<{width}}  {view.state:<11}  {version:<9}  {view.category:<9}  {view.error or view.summary}")


@app.command()
def info(name: Name, as_json: Json = False) -> None:
    """Everything known of one module, with its last operations."""
    view, operations = run(lambda: _look(name), as_json)
    if as_json:
        return print_json({"data": {**asdict(view), "operations": operations}})
    for field, value in asdict(view).items():
        text = ", ".join(value) if isinstance(value, list | tuple) else value
        typer.echo(f"{field.replace('_', ' '):<16} {text if text not in (None, '') else '-'}")
    _show_operations(operations)


@app.command("operations")
def operations_of(name: Name, limit: Annotated[int, typer.Option(min=1, max=500)] = 50, as_json: Json = False) -> None:
    """The newest entries of the module's trail: each step with its start and end."""
    _, operations = run(lambda: _look(name, limit), as_json)
    print_json({"data": operations}) if as_json else _show_operations(operations)


@app.command()
def status(as_json: Json = False) -> None:
    """What is pending and what failed."""
    views = run(_overview, as_json)
    pending = [view for view in views if view.pending]
    errored = [view for view in views if view.error]
    if as_json:
        print_json({"data": {"pending": [asdict(view) for view in pending], "errored": [asdict(view) for view in errored]}})
    else:
        for view in pending:
            rests = f", not before {view.next_attempt_at:%Y-%m-%d %H:%M:%S}" if view.next_attempt_at else ""
            typer.echo(f"{view.name} is {view.state}" + (f" (attempt {view.attempts}{rests})" if view.attempts else ""))
        for view in errored:
            typer.echo(f"{view.name}: {view.error}", err=True)
        typer.echo(RESTART_HINT if pending else "Nothing is pending.")
    if errored:
        raise typer.Exit(NOT_AS_ASKED)


@app.command()
def install(name: Name, plan: OnlyPlan = False, reason: Reason = "", as_json: Json = False) -> None:
    """Schedule a module and all it needs for the next start."""
    _change(Change.INSTALL, name, plan, reason, as_json)


@app.command()
def upgrade(name: Name, plan: OnlyPlan = False, reason: Reason = "", as_json: Json = False) -> None:
    """Schedule the upgrade to the version of the installed package."""
    _change(Change.UPGRADE, name, plan, reason, as_json)


@app.command()
def uninstall(
    name: Name,
    with_unneeded: Annotated[bool, typer.Option("--with-unneeded", help="Remove what came with it too, if nobody needs it.")] = False,
    plan: OnlyPlan = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Schedule the removal of a module; its rows are backed up first."""
    _change(Change.UNINSTALL, name, plan, reason, as_json, with_unneeded=with_unneeded)


@app.command()
def enable(name: Name, plan: OnlyPlan = False, reason: Reason = "", as_json: Json = False) -> None:
    """Switch a module on at once, with all it needs. No restart."""
    _change(Change.ENABLE, name, plan, reason, as_json)


@app.command()
def disable(name: Name, plan: OnlyPlan = False, reason: Reason = "", as_json: Json = False) -> None:
    """Switch a module off at once: its data is kept, its events wait. No restart."""
    _change(Change.DISABLE, name, plan, reason, as_json)


@app.command()
def retry(
    name: Annotated[str | None, typer.Argument(help="The module; every one that failed without it.")] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Have what failed tried again at the next start, however often it failed."""

    async def ask() -> tuple[str, ...]:
        async with owner_connection() as connection:
            names = await service.retry(connection, service.Asker("cli", reason=reason), name)
            await connection.commit()
            return names

    names = run(ask, as_json)
    if as_json:
        return print_json({"data": {"modules": names, "requires_restart": bool(names)}})
    typer.echo(f"Tried again at the next start: {', '.join(names)}. {RESTART_HINT}" if names else "Nothing failed.")


@app.command()
def restart(reason: Reason = "", as_json: Json = False) -> None:
    """Have the serving process replaced, so that what is pending happens."""
    served = run(lambda: _ask_for_restart(reason), as_json)
    message = "The runtime is being restarted." if served else "Nothing serves at the moment; what is pending happens at the next start."
    print_json({"data": {"restarting": served}, "message": message}) if as_json else typer.echo(message)


@app.command("sync-frontend")
def sync_frontend(
    output: Annotated[Path, typer.Option("--output", help="Where the file goes.")] = Path("modules.json"), as_json: Json = False
) -> None:
    """Write modules.json: the frontend layers of every package here, for the build of the host application."""
    document = layers(discover_modules())
    written = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    changed = not output.is_file() or output.read_text(encoding="utf-8") != written
    if changed:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(written, encoding="utf-8")
    if as_json:
        return print_json({"data": {**document, "output": output, "changed": changed}})
    typer.echo(f"{output} {'is written' if changed else 'is up to date'}: {len(document['layers'])} layers.")


@app.command()
def process(
    removals: Annotated[bool, typer.Option("--removals", help="Do removals only, of modules no process serves any more.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="With --removals: wait until no older process serves them.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Count attempts anew, also of operations that were given up.")] = False,
    as_json: Json = False,
) -> None:
    """Run the pending processor now, as every start does."""
    report = run(lambda: _process(removals=removals, wait=wait, retry=retry), as_json)
    if as_json:
        print_json({"data": report.as_json()})
    else:
        for module in report.modules:
            if module.operation or module.reason:
                typer.echo(f"{module.name}: {module.outcome}" + (f" ({module.reason})" if module.reason else ""))
        if report.changed:
            typer.echo(RESTART_HINT)
    if report.not_as_asked:
        file = os.environ.get("DENTALPIN_REPORT_FILE")
        leave_word(Path(file) if file else None, "modules_not_as_asked", "not every module is as asked", report.as_json()["modules"])
        raise typer.Exit(NOT_AS_ASKED)


@app.command()
def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="Also read every backup, and try to restore those that can be.")] = False,
    as_json: Json = False,
) -> None:
    """Say what is wrong: packages, books, tables, grants, events, seeds, and with --deep backups. Exit status 1 on errors."""

    async def look() -> list[Finding]:
        settings = read_settings()
        async with owner_connection() as connection:
            findings = await examine(connection, discover_modules(), core_version=core_version(), limits=Limits.of(settings))
        return in_order_of_weight([*findings, *await kept.backups(_processor(settings))]) if deep else findings

    findings = run(look, as_json)
    if as_json:
        print_json({"data": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            typer.echo(f"{finding.severity}: {finding.message} [{finding.code}]")
        if not findings:
            typer.echo("No issues.")
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise typer.Exit(1)


backups.register(app)


def _change(change: Change, name: str, only_plan: bool, reason: str, as_json: bool, *, with_unneeded: bool = False) -> None:
    async def work() -> Plan:
        discovery = discover_modules()
        around = service.Surroundings(
            discovery, core_version(), service.from_packages(discovery), managed=read_settings().managed, bypasses_isolation=True
        )
        async with owner_connection() as connection:
            if only_plan:
                return await service.preview(connection, around, change, name, with_unneeded=with_unneeded)
            asker = service.Asker("cli", reason=reason)
            scheduled = await service.ask(connection, around, change, name, asker=asker, with_unneeded=with_unneeded)
            await connection.commit()
            return scheduled.plan

    plan = run(work, as_json)
    if only_plan:
        _show_plan(plan, as_json)
    elif as_json:
        modules = [step.module for step in plan.steps]
        answer = {"operation": plan.change, "modules": modules, "requires_restart": plan.requires_restart, "plan": _as_json(plan)}
        print_json({"data": answer, "message": plan.message})
    else:
        scheduled = ", ".join(step.module for step in plan.steps if step.at_restart)
        if scheduled:
            typer.echo(f"{change} scheduled: {scheduled}")
        typer.echo(plan.message)
        if plan.requires_restart:
            typer.echo(RESTART_HINT)


def _show_plan(plan: Plan, as_json: bool) -> None:
    """The plan; status 1 if something stands against it."""
    if as_json:
        print_json({"data": _as_json(plan), "message": plan.message})
    else:
        for step in plan.steps:
            when = "at the next restart" if step.at_restart else "at once"
            versions = " → ".join(each or "-" for each in (step.from_version, step.to_version)) if step.at_restart else ""
            typer.echo(f"{step.words} {when} ({step.reason})" + (f"  {versions}" if versions else ""))
            for label, listed in (
                ("steps", step.steps),
                ("revisions", step.revisions),
                ("rows to go", [f"{table}: {rows}" for table, rows in step.tables.items()]),
                ("permissions", step.brings.permissions),
                ("jobs", step.brings.jobs),
                ("tools", step.brings.tools),
                ("events that wait", [str(step.deliveries)] if step.deliveries else ()),
            ):
                if listed:
                    typer.echo(f"  {label + ':':<17} {', '.join(listed)}")
        for refusal in plan.refusals:
            typer.echo(f"refused: {refusal.message} [{refusal.code}]", err=True)
        if not plan.refusals:
            typer.echo(plan.message)
    if plan.refusals:
        raise typer.Exit(1)


def _as_json(plan: Plan) -> dict[str, Any]:
    return PlanOut.of(plan).model_dump(mode="json")


def _show_operations(operations: list[Any]) -> None:
    for row in operations:
        typer.echo(
            f"{row['created_at']:%Y-%m-%d %H:%M:%S}  {row['operation']:<9} {row['step']:<12} {row['status']:<9} attempt {row['attempt']}"
        )


async def _overview() -> list[service.ModuleView]:
    async with owner_connection() as connection:
        return await service.overview(connection, discover_modules())


async def _look(name: str, limit: int = 20) -> tuple[service.ModuleView, list[Any]]:
    async with owner_connection() as connection:
        view = await service.find(connection, discover_modules(), name)
        return view, await books.operations(connection, name, limit=limit)


async def _process(*, removals: bool, wait: bool, retry: bool) -> ProcessorReport:
    settings = read_settings()
    if retry:
        async with owner_connection() as connection:
            await service.retry(connection, service.Asker("cli"))
            await connection.commit()
    processor = _processor(settings)
    report = await (processor.remove_pending(wait=wait) if removals else processor.run(removals=True))
    prune(settings.storage, Retention(settings.backup_keep, settings.backup_days))
    return report


def _processor(settings: Settings) -> Processor:
    revision = RevisionDocument.read(settings.revision_file) if settings.revision_file is not None else None
    return Processor(
        owner_url(settings),
        settings.storage,
        generation=revision.generation if revision else None,
        bindir=settings.pg_bindir,
        limits=Limits.of(settings),
    )


async def _ask_for_restart(reason: str) -> bool:
    settings = read_settings()
    async with owner_connection() as connection:
        if settings.managed and "KUBERNETES_SERVICE_HOST" in os.environ:
            # Nobody in this pod would start another process.
            _, platform = await platform_of(connection)
            raise ManagedElsewhere(platform, "Processes of this runtime are replaced by the platform", "Restart it there.")
        served = await connection.exec_driver_sql(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'dentalpin serving')"
        )
        await service.note_request(connection, "restart", (), service.Asker("cli", reason=reason))
        await connection.exec_driver_sql("SELECT pg_notify('core_restart', '')")
        await connection.commit()
        return bool(served.scalar_one())
