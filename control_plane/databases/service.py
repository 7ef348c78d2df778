"""Placing tenants on database servers, and the servers' rows. In the caller's transaction."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.compliance.schema import Residency
from control_plane.databases.errors import ResidencyBroken, UnknownServer
from control_plane.databases.models import ServerRow
from control_plane.databases.placing import Candidate, allows, place, wanted
from control_plane.platform import Platform
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState


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
