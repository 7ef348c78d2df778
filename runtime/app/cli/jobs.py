"""`dentalpin jobs …`: what modules do by themselves, for the people who operate a clinic's runtime. Every clinic's, as the owner."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

import typer

from app.cli.owner import Json, owner_connection, print_json, run
from app.core.jobs import service
from app.core.jobs.service import JobView, RunView, Scope

app = typer.Typer(no_args_is_help=True, help="Jobs of modules: when they run, how it went, and running one now.")

Module = Annotated[str, typer.Argument(help="The module's name.")]
Job = Annotated[str, typer.Argument(help="The job's id, as `jobs list` shows it.")]
Clinic = Annotated[UUID | None, typer.Option("--clinic", help="Only in this clinic; without it, in all.")]


def _scope(clinic: UUID | None) -> Scope:
    return Scope(clinic) if clinic is not None else service.ALL


@app.command("list")
def list_jobs(clinic: Clinic = None, as_json: Json = False) -> None:
    """Every job, with its next and its last run."""

    async def read() -> list[JobView]:
        async with owner_connection() as connection:
            return await service.overview(connection, _scope(clinic))

    views = run(read, as_json)
    if as_json:
        return print_json({"data": [asdict(view) for view in views]})
    for view in views:
        typer.echo(_line(view))
    if not views:
        typer.echo("No jobs. They are written down when a runtime with modules that have some first serves.")


@app.command()
def runs(module: Module, job: Job, clinic: Clinic = None, limit: int = 20, as_json: Json = False) -> None:
    """How a job went, the newest run first."""

    async def read() -> Sequence[RunView]:
        async with owner_connection() as connection:
            return await service.runs(connection, _scope(clinic), module, job, limit=limit)

    found = run(read, as_json)
    if as_json:
        return print_json({"data": [asdict(each) for each in found]})
    for each in found:
        error = f": {each.error}" if each.error else ""
        typer.echo(
            f"{each.started_at:%Y-%m-%d %H:%M:%S}  {each.status:<7}  attempt {each.attempt}  clinic {each.clinic_id or 'all'}{error}"
        )
    if not found:
        typer.echo("It has not run yet.")


@app.command("run")
def run_now(module: Module, job: Job, clinic: Clinic = None, as_json: Json = False) -> None:
    """Make a job due; a serving runtime runs it at once, others when they start."""
    _change(lambda connection: service.run_now(connection, _scope(clinic), module, job, by=None), as_json)


@app.command()
def pause(module: Module, job: Job, clinic: Clinic = None, as_json: Json = False) -> None:
    """Leave a job out until it is resumed."""
    _change(lambda connection: service.pause(connection, _scope(clinic), module, job, paused=True), as_json)


@app.command()
def resume(module: Module, job: Job, clinic: Clinic = None, as_json: Json = False) -> None:
    """Take a paused job up again."""
    _change(lambda connection: service.pause(connection, _scope(clinic), module, job, paused=False), as_json)


def _change(work: Callable[[Any], Coroutine[Any, Any, list[JobView]]], as_json: bool) -> None:
    async def change() -> list[JobView]:
        async with owner_connection() as connection:
            views = await work(connection)
            await connection.commit()
            return views

    views = run(change, as_json)
    if as_json:
        return print_json({"data": [asdict(view) for view in views]})
    for view in views:
        typer.echo(_line(view))


def _line(view: JobView) -> str:
    following = "paused" if view.paused else f"next {view.next_run_at:%Y-%m-%d %H:%M:%S}" if view.next_run_at else "never again"
    return f"{view.module} {view.job}  clinic {view.clinic_id or 'all'}  {view.trigger}  {following}  last {view.last_status or '-'}"
