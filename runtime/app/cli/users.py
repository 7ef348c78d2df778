"""`dentalpin users …`: the first administrator of a stand-alone runtime, and the way back in when nobody can sign in any more."""

import sys
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import sqlalchemy as sa
import typer
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.auth import trail
from app.core.auth.models import Membership, RefreshToken, Role, User
from app.core.auth.passwords import Passwords, check_strength
from app.core.clinics.models import Clinic
from dentalpin_kit.problems import DomainError

from .owner import Json, owner_connection, print_json, run

app = typer.Typer(no_args_is_help=True, help="The people of this runtime.")

Email = Annotated[str, typer.Argument(help="The address they sign in with.")]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", help="A file with the password, `-` for standard input; asked for without it.")
]


OPERATOR: Final = trail.Origin("local", "dentalpin users")
"""How the trail names who works on the machine itself."""


class UserCommandRefused(DomainError):
    status = 422
    code = "user_command_refused"


@app.command("list")
def list_users(as_json: Json = False) -> None:
    """Everybody with an account, and where they work."""

    async def read() -> list[dict[str, Any]]:
        async with owner_connection() as connection:
            works = sa.func.array_agg(sa.func.concat(Clinic.name, ": ", Membership.role)).filter(Membership.id.is_not(None))
            query = (
                sa.select(User.email, User.full_name, User.status, User.is_owner, works.label("works"))
                .outerjoin(Membership, Membership.user_id == User.id)
                .outerjoin(Clinic, Clinic.id == Membership.clinic_id)
                .group_by(User.id)
                .order_by(User.email)
            )
            return [dict(row._mapping) for row in await connection.execute(query)]

    users = run(read, as_json)
    if as_json:
        return print_json({"data": users})
    for user in users:
        owner = "owner" if user["is_owner"] else ""
        typer.echo(f"{user['email']:<40}  {user['status']:<8}  {owner:<5}  {', '.join(user['works'] or [])}")
    if not users:
        typer.echo("Nobody yet: dentalpin users create EMAIL --role admin")


@app.command()
def create(
    email: Email,
    role: Annotated[str, typer.Option(help="Their role in the clinic.")] = "admin",
    clinic: Annotated[str | None, typer.Option(help="The clinic's id or name; the only one without it.")] = None,
    name: Annotated[str, typer.Option(help="Their full name.")] = "",
    owner: Annotated[bool, typer.Option("--owner", help="Make them the owner; the first person is it anyway.")] = False,
    password_file: PasswordFile = None,
    as_json: Json = False,
) -> None:
    """Make an account with a role in a clinic; somebody who has one gets the role, and keeps their password."""
    address = email.strip().lower()

    async def add() -> dict[str, Any]:
        async with owner_connection() as connection:
            place = await _clinic(connection, clinic)
            await _check_role(connection, place.id, role)
            known = (await connection.execute(sa.select(User.id).where(User.email == address))).scalar_one_or_none()
            user = known or await _new_user(connection, address, name, password_file)
            event = "person_changed" if known else "password_set"
            await trail.record(connection, OPERATOR, event, user_id=user, clinic_id=place.id, role=role)
            await _make_owner(connection, user, asked=owner)
            membership = insert(Membership).values(user_id=user, clinic_id=place.id, role=role)
            await connection.execute(
                membership.on_conflict_do_update(
                    constraint="uq_memberships_user_clinic", set_={"role": membership.excluded.role, "status": "active"}
                )
            )
            await connection.commit()
            return {"id": user, "email": address, "clinic": place.name, "role": role, "new": known is None}

    made = run(add, as_json)
    if as_json:
        return print_json({"data": made})
    typer.echo(f"{address} {'may sign in now, and' if made['new'] else 'keeps the password and'} is {role} of {made['clinic']}.")


@app.command("set-password")
def set_password(email: Email, password_file: PasswordFile = None, as_json: Json = False) -> None:
    """Give somebody another password, and end their sessions."""
    address = email.strip().lower()

    async def change() -> None:
        async with owner_connection() as connection:
            user = (await connection.execute(sa.select(User.id).where(User.email == address))).scalar_one_or_none()
            if user is None:
                raise UserCommandRefused(f"Nobody here has the address {address}; `dentalpin users list` shows those who have one.")
            hashed = await _hashed(address, password_file)
            await connection.execute(
                sa.update(User).where(User.id == user).values(password_hash=hashed, password_set_at=sa.func.now(), status="active")
            )
            ended = sa.update(RefreshToken).where(RefreshToken.user_id == user, RefreshToken.revoked_at.is_(None))
            await connection.execute(ended.values(revoked_at=sa.func.now()))
            await trail.record(connection, OPERATOR, "password_set", user_id=user)
            await connection.commit()

    run(change, as_json)
    print_json({"data": {"email": address}}) if as_json else typer.echo(f"{address} has another password, and is signed out everywhere.")


async def _clinic(connection: AsyncConnection, asked: str | None) -> Any:
    clinics = (await connection.execute(sa.select(Clinic.id, Clinic.name).where(Clinic.status == "active").order_by(Clinic.name))).all()
    if not clinics:
        raise UserCommandRefused("There is no clinic yet: dentalpin clinics create NAME --country … makes one.")
    found = [each for each in clinics if asked is None or asked in (str(each.id), each.name)]
    if len(found) == 1:
        return found[0]
    named = "; ".join(f"{each.id} {each.name}" for each in clinics)
    raise UserCommandRefused(f"Say with --clinic which of these is meant: {named}.")


async def _check_role(connection: AsyncConnection, clinic: UUID, role: str) -> None:
    roles = list((await connection.execute(sa.select(Role.name).where(Role.clinic_id == clinic).order_by(Role.name))).scalars())
    if role not in roles:
        raise UserCommandRefused(f"The clinic has no role {role!r}; it has {', '.join(roles)}.")


async def _new_user(connection: AsyncConnection, address: str, name: str, password_file: Path | None) -> UUID:
    local, separator, domain = address.partition("@")
    if not (local and separator and "." in domain) or any(character.isspace() for character in address):
        raise UserCommandRefused(f"{address!r} is no e-mail address; give one such as ana@example.com.")
    values = {"email": address, "full_name": name, "password_hash": await _hashed(address, password_file), "password_set_at": sa.func.now()}
    user: UUID = (await connection.execute(sa.insert(User).values(**values).returning(User.id))).scalar_one()
    return user


async def _make_owner(connection: AsyncConnection, user: UUID, *, asked: bool) -> None:
    """Somebody has to own the tenant: without an owner this is the person."""
    owned = (await connection.execute(sa.select(sa.exists().where(User.is_owner)))).scalar_one()
    if asked or not owned:
        await connection.execute(sa.update(User).where(User.id == user).values(is_owner=True))


async def _hashed(address: str, password_file: Path | None) -> str:
    if password_file is None:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        text = sys.stdin.read() if str(password_file) == "-" else password_file.read_text(encoding="utf-8")
        password = text.rstrip("\r\n")
    check_strength(password, address)
    return await Passwords().hash(password)
