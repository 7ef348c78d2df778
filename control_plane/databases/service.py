"""Placing tenants on database servers, and the servers' rows. In the caller's transaction."""

import secrets
from collections.abc import Sequence

from sqlalchemy import URL, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.compliance.schema import Residency
from control_plane.databases.base import DatabaseRefused, DatabaseServerUnavailable, Declares
from control_plane.databases.cloudnative.manifests import ADMIN, Declared
from control_plane.databases.errors import ResidencyBroken, ServerInUse, ServerNameTaken, ServerNotReady, ServerUnusable, UnknownServer
from control_plane.databases.models import ServerRow
from control_plane.databases.placing import Candidate, allows, place, wanted
from control_plane.databases.schemas import ConditionOut, NewServer, ServerChange
from control_plane.databases.servers import secret_context
from control_plane.databases.shared import SharedServer
from control_plane.platform import Platform
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState
from dentalpin_kit.logs import scrub


async def assign(session: AsyncSession, platform: Platform, tenant: Tenant, clauses: Sequence[Residency]) -> None:
    """Choose where a new tenant's data lies.

    Rows of servers are locked, so that none takes more than it holds. Raises NoServerForResidency.
    """
    rows = list(await session.scalars(select(ServerRow).order_by(ServerRow.name).with_for_update()))
    chosen = place(clauses, await candidates(session, platform, rows))
    tenant.region, tenant.database_server = chosen.region, chosen.name


async def check_residency(session: AsyncSession, platform: Platform, tenant: Tenant, clauses: Sequence[Residency]) -> None:
    """Raises ResidencyBroken where the tenant's data lies where these clauses do not want it. Nobody knows it where no region is named."""
    if tenant.region is None:
        return
    own = platform.settings.tenant_database_proofs
    proofs = own if tenant.database_server is None else (await find(session, tenant.database_server)).proofs
    if not allows(clauses, tenant.region, frozenset(proofs)):
        regions, wanted_proofs = wanted(clauses)
        raise ResidencyBroken(tenant.region, regions, sorted(wanted_proofs))


async def candidates(session: AsyncSession, platform: Platform, rows: Sequence[ServerRow]) -> list[Candidate]:
    """The environment's own server and these."""
    held = await tenants_by_server(session) if rows or platform.settings.tenant_database_region else {}
    settings = platform.settings
    own = Candidate(
        None,
        settings.tenant_database_region,
        frozenset(settings.tenant_database_proofs),
        settings.tenant_database_capacity if settings.tenant_database_region else 2**31,
        held.get(None, 0),
    )
    return [
        own,
        *(Candidate(row.name, row.region, frozenset(row.proofs), row.capacity, held.get(row.name, 0), row.accepting) for row in rows),
    ]


async def tenants_by_server(session: AsyncSession) -> dict[str | None, int]:
    counted = select(Tenant.database_server, func.count()).where(Tenant.state != TenantState.DELETED).group_by(Tenant.database_server)
    return {row[0]: row[1] for row in await session.execute(counted)}


async def find(session: AsyncSession, name: str, *, lock: bool = False) -> ServerRow:
    """Raises UnknownServer."""
    row = await session.get(ServerRow, name, with_for_update=lock)
    if row is None:
        raise UnknownServer(name)
    return row


async def register(session: AsyncSession, platform: Platform, new: NewServer, *, actor: Actor) -> ServerRow:
    """Write a server's row, once its administrator's role proved what it can. Raises ServerNameTaken, ServerUnusable."""
    if await session.get(ServerRow, new.name) is not None:
        raise ServerNameTaken(new.name)
    now, declared = platform.clock.now(), new.cloudnativepg
    if new.admin_url is not None:
        url = new.admin_url.get_secret_value()
        await _try(platform, url)
    else:
        assert declared is not None, "one of the two is given"
        url = _address_of(declared, secrets.token_urlsafe(32))
    row = ServerRow(
        name=new.name,
        region=new.region,
        proofs=sorted(set(new.proofs)),
        capacity=new.capacity,
        accepting=declared is None,
        host=new.host,
        declared=declared.model_dump(mode="json") if declared is not None else None,
        sealed_url=platform.vault.seal(url.encode(), secret_context(new.name)),
        created_at=now,
    )
    session.add(row)
    await session.flush()
    if declared is not None:
        await _declare(session, platform, row)
    audit.record(session, actor, "database_server.registered", at=now, server=row.name, region=row.region, proofs=row.proofs)
    return row


def _address_of(declared: Declared, password: str) -> str:
    url = URL.create("postgresql", ADMIN, password, declared.host or declared.service, declared.port, "postgres")
    return url.render_as_string(hide_password=False)


async def _declare(session: AsyncSession, platform: Platform, row: ServerRow) -> None:
    """Raises ServerUnusable. What was declared and not written is declared again by the next attempt, with the password of that one."""
    server = await platform.servers.of(session, row)
    assert isinstance(server, Declares)
    try:
        await server.declare()
    except (DatabaseServerUnavailable, DatabaseRefused) as error:
        raise ServerUnusable(scrub(error.message)) from error


async def _withdraw(session: AsyncSession, platform: Platform, row: ServerRow) -> None:
    """Raises ServerUnusable; begun, it goes on by being asked again."""
    server = await platform.servers.of(session, row)
    assert isinstance(server, Declares)
    try:
        await server.withdraw()
    except (DatabaseServerUnavailable, DatabaseRefused) as error:
        raise ServerUnusable(scrub(error.message)) from error


async def condition(session: AsyncSession, platform: Platform, name: str) -> ConditionOut:
    """Raises UnknownServer."""
    row = await find(session, name)
    server = await platform.servers.of(session, row)
    try:
        await server.check()
    except (DatabaseServerUnavailable, DatabaseRefused) as error:
        return ConditionOut(ready=False, reason=scrub(error.message))
    return ConditionOut(ready=True, reason="")


async def _try(platform: Platform, url: str) -> None:
    """Raises ServerUnusable, which repeats nothing of the address."""
    try:
        await SharedServer(url, bindir=platform.settings.pg_bindir).check()
    except (DatabaseServerUnavailable, DatabaseRefused, ValueError) as error:
        raise ServerUnusable(scrub(str(error))) from error


async def change(session: AsyncSession, platform: Platform, name: str, wanted: ServerChange, *, actor: Actor) -> ServerRow:
    """Change what is given. Raises UnknownServer, and for another address what `register` raises."""
    row = await find(session, name, lock=True)
    given = wanted.model_dump(exclude_none=True, exclude={"admin_url"})
    if wanted.accepting and row.declared is not None:
        found = await condition(session, platform, name)
        if not found.ready:
            raise ServerNotReady(name, found.reason)
    for field, value in given.items():
        setattr(row, field, sorted(set(value)) if field == "proofs" else value)
    if wanted.admin_url is not None:
        url = wanted.admin_url.get_secret_value()
        await _try(platform, url)
        row.sealed_url = platform.vault.seal(url.encode(), secret_context(name))
    changed = sorted(given) + (["admin_url"] if wanted.admin_url is not None else [])
    audit.record(session, actor, "database_server.changed", at=platform.clock.now(), server=name, changed=changed)
    await session.flush()
    return row


async def remove(session: AsyncSession, platform: Platform, name: str, *, actor: Actor) -> ServerRow:
    """A server that was declared is withdrawn, with what is left in it. Raises UnknownServer, ServerInUse, ServerUnusable."""
    row = await find(session, name, lock=True)
    named = await session.scalar(select(func.count()).select_from(Tenant).where(Tenant.database_server == name))
    if named:
        raise ServerInUse(name, named)
    if row.declared is not None:
        await _withdraw(session, platform, row)
    await session.delete(row)
    audit.record(session, actor, "database_server.removed", at=platform.clock.now(), server=name)
    await session.flush()
    return row
