"""`dentalpin events …`: deliveries that failed, for the people who operate a clinic's runtime. Every clinic's, as the owner."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from app.cli.owner import Json, owner_connection, print_json, run
from app.core.events import deliveries
from app.core.events.deliveries import ALL, Choice, DeliveryView
from app.core.events.models import DeliveryStatus

app = typer.Typer(no_args_is_help=True, help="Events between modules: deliveries that failed, and trying them again or giving them up.")

Id = Annotated[int, typer.Argument(help="The delivery's number, as `events dead-letters` shows it.")]
Module = Annotated[str | None, typer.Option("--module", help="Only deliveries to this module.")]
Event = Annotated[str | None, typer.Option("--event", help="Only deliveries of events of this name.")]


@app.command("dead-letters")
def dead_letters(
    module: Module = None,
    event: Event = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many to show, the newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """Deliveries that were given up after their last attempt."""

    async def read() -> tuple[list[DeliveryView], int]:
        async with owner_connection() as connection:
            found, total = await deliveries.page(connection, ALL, Choice(DeliveryStatus.DEAD, module, event), limit=limit)
            return list(found), total

    found, total = run(read, as_json)
    if as_json:
        return print_json({"data": [asdict(each) for each in found], "total": total})
    for each in found:
        tried = f"{each.event} to {each.module}, {each.attempts} attempts"
        typer.echo(f"{each.id}  {each.published_at:%Y-%m-%d %H:%M:%S}  {tried}: {each.last_error}")
    if not found:
        typer.echo("No dead letters.")
    elif total > len(found):
        typer.echo(f"… and {total - len(found)} more; --limit shows them.")


@app.command()
def show(delivery: Id, as_json: Json = False) -> None:
    """One delivery, with the event's payload."""

    async def read() -> DeliveryView:
        async with owner_connection() as connection:
            return await deliveries.find(connection, ALL, delivery)

    view = run(read, as_json)
    if as_json:
        return print_json({"data": asdict(view)})
    for field, value in asdict(view).items():
        text = json.dumps(value, ensure_ascii=False) if field == "payload" else value
        typer.echo(f"{field.replace('_', ' '):<16} {text if text not in (None, '') else '-'}")


@app.command()
def replay(
    delivery: Annotated[int | None, typer.Argument(help="The delivery's number; or --all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every dead letter, or those of --module and --event.")] = False,
    module: Module = None,
    event: Event = None,
    as_json: Json = False,
) -> None:
    """Have a delivery that was given up tried once more; a serving runtime does it at once, others when they start."""
    if (delivery is None) is not every:
        typer.echo("Give either the number of a delivery or --all.", err=True)
        raise typer.Exit(2)

    async def work() -> int:
        async with owner_connection() as connection:
            if delivery is None:
                count = await deliveries.replay_all(connection, ALL, Choice(module=module, event=event), by=None)
            else:
                await deliveries.replay(connection, ALL, delivery, by=None)
                count = 1
            await connection.commit()
            return count

    count = run(work, as_json)
    print_json({"data": {"replayed": count}}) if as_json else typer.echo(f"{count} to be tried again.")


@app.command()
def discard(delivery: Id, as_json: Json = False) -> None:
    """Give a delivery up, dead or still being tried; what waits behind it goes on."""

    async def work() -> DeliveryView:
        async with owner_connection() as connection:
            view = await deliveries.discard(connection, ALL, delivery, by=None)
            await connection.commit()
            return view

    view = run(work, as_json)
    print_json({"data": asdict(view)}) if as_json else typer.echo(f"{view.event} is not delivered to {view.module} any more.")
