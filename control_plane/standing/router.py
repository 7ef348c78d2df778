"""/v1/tenants/{slug}/standing and /v1/standings: who stands where on the ladder of non-payment, and more time for who asked for it."""

from fastapi import APIRouter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.billing.ladder import Rung
from control_plane.pagination import WantedPage, page
from control_plane.platform import Platform
from control_plane.revisions import service as revisions
from control_plane.revisions.document import parse
from control_plane.standing import service
from control_plane.standing.models import PaymentStanding
from control_plane.standing.schemas import Extension, StandingList, StandingOut, StandingSummary
from control_plane.standing.terms import MODES, limits_of, pay_at
from control_plane.tenants.models import ObservedTenant, Tenant
from control_plane.tenants.router import KnownTenant, LockedTenant

router = APIRouter(tags=["standing"], route_class=PlatformRoute)


async def shown(session: AsyncSession, platform: Platform, tenant: Tenant) -> StandingOut:
    row = await service.of(session, tenant.id)
    clinic = parse((await revisions.desired(session, tenant)).document).clinic
    seen = await session.get(ObservedTenant, tenant.id)
    state = row.state if row else Rung.NONE
    coming = state.next if row is not None and row.next_at is not None else None
    return StandingOut(
        slug=tenant.slug,
        state=state,
        state_since=row.state_since if row else None,
        why=row.why if row else None,
        since=row.since if row else None,
        announced=row.announced if row else None,
        next=coming,
        next_at=row.next_at if row else None,
        extended_until=row.extended_until if row else None,
        extended_because=row.extended_because if row else None,
        mode=MODES[state],
        limits=await limits_of(session, tenant.id, clinic.locale),
        usage=(seen.attestation or {}).get("usage") if seen else None,
        waits=row.waits if row else None,
        pay_at=pay_at(platform),
    )


@router.get("/tenants/{slug}/standing", dependencies=[Requires("tenants:read")])
async def get_standing(tenant: KnownTenant, session: Session, platform: ThisPlatform) -> StandingOut:
    """Whether the clinic's payments are in order; where not, what works meanwhile, what follows when, and where to pay."""
    return await shown(session, platform, tenant)


@router.put("/tenants/{slug}/standing/extension", dependencies=[Requires("operations:write")])
async def extend(wanted: Extension, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> StandingOut:
    """Take no further step until then. Its owner is told, with the reason."""
    await service.extend(session, platform, tenant, until=wanted.until, reason=wanted.reason, actor=actor)
    await session.flush()
    return await shown(session, platform, tenant)


@router.delete("/tenants/{slug}/standing/extension", dependencies=[Requires("operations:write")])
async def end_extension(tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> StandingOut:
    """Go on as without the extension; no step is taken that was not announced a week before."""
    await service.end_extension(session, platform, tenant, actor=actor)
    await session.flush()
    return await shown(session, platform, tenant)


@router.get("/standings", dependencies=[Requires("operations:read")])
async def list_standings(session: Session, actor: CurrentActor, wanted: WantedPage, state: Rung | None = None) -> StandingList:
    """Every clinic whose payments are not in order, by its slug."""
    query = select(PaymentStanding).where(PaymentStanding.state != Rung.NONE)
    if state is not None:
        query = query.where(PaymentStanding.state == state)
    found = await page(session, query, PaymentStanding.tenant_id, wanted=wanted)
    tenants = {one.id: one for one in await session.scalars(select(Tenant).where(Tenant.id.in_([row.tenant_id for row in found.items])))}
    items = [StandingSummary.of(tenants[row.tenant_id].slug, tenants[row.tenant_id].name, row) for row in found.items]
    return StandingList(items=items, next=found.next)
