"""`dentalpin clinics …`: the practices of a stand-alone runtime, its first one above all. A platform makes that by the revision instead."""

from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
import typer
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.auth import trail
from app.core.clinics.models import Clinic
from app.core.clinics.schemas import ClinicCreate
from app.core.plugins.loader import discover_modules
from app.core.plugins.seeds import seed_clinic

from .owner import Json, fail, owner_connection, print_json, run

app = typer.Typer(no_args_is_help=True, help="The clinics of this runtime.")

_TAKEN_OVER = ("country", "timezone", "currency", "locale")
"""What a further clinic has in common with the first unless it is said; the first one needs it said."""


@app.command("list")
def list_clinics(as_json: Json = False) -> None:
    """Every clinic, archived ones included."""

    async def read() -> list[dict[str, Any]]:
        async with owner_connection() as connection:
            columns = (Clinic.id, Clinic.name, Clinic.country, Clinic.timezone, Clinic.currency, Clinic.locale, Clinic.status)
            rows = await connection.execute(sa.select(*columns).order_by(Clinic.created_at, Clinic.id))
            return [dict(row._mapping) for row in rows]

    clinics = run(read, as_json)
    if as_json:
        return print_json({"data": clinics})
    for clinic in clinics:
        typer.echo(f"{clinic['id']}  {clinic['status']:<8}  {clinic['country']}  {clinic['name']}")
    if not clinics:
        typer.echo("No clinic yet: dentalpin clinics create NAME --country ES --timezone Europe/Madrid --currency EUR --locale es-ES")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The clinic's name.")],
    country: Annotated[str | None, typer.Option(help="Two letters (ISO 3166), such as ES.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Of the IANA database, such as Europe/Madrid.")] = None,
    currency: Annotated[str | None, typer.Option(help="Three letters (ISO 4217), such as EUR.")] = None,
    locale: Annotated[str | None, typer.Option(help="Such as es-ES.")] = None,
    territory: Annotated[str | None, typer.Option(help="Where a part of the country has tax law of its own.")] = None,
    legal_form: Annotated[str | None, typer.Option()] = None,
    tax_id: Annotated[str | None, typer.Option()] = None,
    as_json: Json = False,
) -> None:
    """Add a clinic, with its roles and the seeds of every installed module."""
    said = {
        "name": name,
        "country": country,
        "territory": territory,
        "timezone": timezone,
        "currency": currency,
        "locale": locale,
        "legal_form": legal_form,
        "tax_id": tax_id,
    }
    try:
        given = ClinicCreate.model_validate(said)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False))
        fail(f"The clinic cannot be made: {wrong}.", "invalid", 2, as_json)

    async def add() -> UUID | list[str]:
        async with owner_connection() as connection:
            facts = await _facts(connection, given)
            missing = [field for field in _TAKEN_OVER if facts.get(field) is None]
            if missing:
                return missing
            clinic: UUID = (await connection.execute(sa.insert(Clinic).values(**facts).returning(Clinic.id))).scalar_one()
            await seed_clinic(connection, clinic, discovery=discover_modules())
            await trail.record(connection, trail.Origin("local", "dentalpin clinics"), "clinic_created", clinic_id=clinic)
            await connection.commit()
            return clinic

    clinic = run(add, as_json)
    if isinstance(clinic, list):
        options = " ".join(f"--{field}" for field in clinic)
        fail(f"Say {options}: there is no clinic yet that they could be taken from.", "invalid", 2, as_json)
    if as_json:
        return print_json({"data": {"id": clinic, "name": given.name}})
    typer.echo(f"{given.name} is {clinic}. Its first person: dentalpin users create EMAIL --role admin --clinic {clinic}")


async def _facts(connection: AsyncConnection, given: ClinicCreate) -> dict[str, Any]:
    """What was said, and what is not said as the first clinic has it."""
    query = sa.select(*(getattr(Clinic, field) for field in _TAKEN_OVER)).order_by(Clinic.created_at, Clinic.id).limit(1)
    first = (await connection.execute(query)).one_or_none()
    taken_over = dict(first._mapping) if first is not None else {}
    return {**taken_over, **given.model_dump(exclude_none=True)}
