"""Whether a member may be begun now: its own state first, then its window, then its patients; and beginning it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.campaigns import pairs
from control_plane.campaigns.beginning import begin
from control_plane.campaigns.following import tenant_of
from control_plane.campaigns.models import Campaign, Member, Wave
from control_plane.campaigns.states import OPEN_MEMBERS, CampaignState, MemberEvent
from control_plane.errors import DomainError, TemporaryError
from control_plane.maintenance.models import MaintenanceWindow
from control_plane.maintenance.rest import Go, NotBefore, Rest, ask, decide, opening_now
from control_plane.maintenance.windows import USUAL, Window
from control_plane.operations import service as operations
from control_plane.platform import Platform
from control_plane.revisions import service as revisions
from control_plane.revisions.models import Revision
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import GOING, TenantState

LOOKED_AT: Final = 500
"""Members looked at in one transaction."""
BUSY_PAUSE: Final = timedelta(minutes=5)
UNREACHABLE_PAUSE: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Ready:
    """A member whose window is open: only its patients remain to be asked about."""

    tenant_id: UUID
    window: Window | None
    """None: this campaign waits for no window."""
    zone: ZoneInfo
    needs: timedelta


async def ready(session: AsyncSession, platform: Platform, campaign: Campaign, wave: Wave, *, room: int, at: datetime) -> list[Ready]:
    """Members of the wave that are due and whose window is open, as many as there is room for. The others are put off, with the reason."""
    if room <= 0:
        return []
    how = campaign.how
    needs = timedelta(minutes=how.needs_minutes)
    found: list[Ready] = []
    for member, zone, chosen in await _due(session, campaign, wave, at=at):
        window = (chosen.window if chosen is not None else USUAL) if how.windows else None
        opening = opening_now(window, zone, at=at, needs=needs) if window is not None else Go()
        if isinstance(opening, NotBefore):
            put_off(member, opening, hours=how.patience_hours, at=at)
        elif len(found) < room:
            found.append(Ready(member.tenant_id, window, zone, needs))
    return found


async def _due(
    session: AsyncSession, campaign: Campaign, wave: Wave, *, at: datetime
) -> list[tuple[Member, ZoneInfo, MaintenanceWindow | None]]:
    query = (
        select(Member, Revision.document["clinic"]["timezone"].astext, MaintenanceWindow)
        .join(Tenant, Tenant.id == Member.tenant_id)
        .join(Revision, (Revision.tenant_id == Tenant.id) & (Revision.generation == Tenant.generation))
        .outerjoin(MaintenanceWindow, MaintenanceWindow.tenant_id == Member.tenant_id)
        .where(Member.campaign_id == campaign.id, Member.wave == wave.position, Member.state.in_(OPEN_MEMBERS), Member.next_at <= at)
        .order_by(Member.rank)
        .limit(LOOKED_AT)
        .with_for_update(of=Member)
    )
    return [(member, ZoneInfo(zone), window) for member, zone, window in await session.execute(query)]


def put_off(member: Member, until: NotBefore, *, hours: int, at: datetime) -> None:
    """Let it wait, or leave it out where it has waited for as long as it may."""
    since = member.waiting_since or at
    if at >= since + timedelta(hours=hours):
        member.move(MemberEvent.LEFT_OUT, at=at, code="no_good_time", reason=f"No good time within {hours} hours. Last: {until.reason}")
        return
    member.move(MemberEvent.NOT_NOW, at=at, code=until.code, reason=until.reason)
    member.next_at = min(until.at, since + timedelta(hours=hours))


async def at(platform: Platform, candidate: Ready) -> Go | NotBefore:
    """Ask its runtime. Nothing is locked meanwhile."""
    now = platform.clock.now()
    try:
        rest = await ask(platform.deployer, platform.key, candidate.tenant_id, needs=candidate.needs)
    except TemporaryError as error:
        return NotBefore(now + UNREACHABLE_PAUSE, f"Its runtime does not answer: {error.message}", "unreachable")
    except DomainError as error:
        rest = Rest(unknown=error.message)
    return decide(candidate.window, candidate.zone, rest, at=now, needs=candidate.needs)


async def act(session: AsyncSession, platform: Platform, campaign_id: UUID, candidate: Ready, decision: Go | NotBefore) -> None:
    """Begin the member, or put it off. Everything is looked at again under lock: it may have changed since."""
    now = platform.clock.now()
    campaign = await session.get_one(Campaign, campaign_id, with_for_update=True, populate_existing=True)
    member = await session.get_one(Member, (campaign_id, candidate.tenant_id), with_for_update=True, populate_existing=True)
    if campaign.state is not CampaignState.RUNNING or member.state not in OPEN_MEMBERS:
        return
    hours = campaign.how.patience_hours
    if isinstance(decision, NotBefore):
        put_off(member, decision, hours=hours, at=now)
        return
    tenant = await tenant_of(session, member)
    if tenant.state in GOING:
        member.move(MemberEvent.LEFT_OUT, at=now, code="gone", reason="It is being deleted.")
        return
    if tenant.state is not TenantState.ACTIVE or await operations.open_operations(session, tenant.id):
        why = f"It is {tenant.state.value}; another operation goes first."
        put_off(member, NotBefore(now + BUSY_PAUSE, why, "busy"), hours=hours, at=now)
        return
    if (why_not := await _forbidden(session, campaign, tenant)) is not None:
        member.move(MemberEvent.LEFT_OUT, at=now, code=why_not[0], reason=why_not[1])
        return
    await _begin(session, platform, campaign, member, tenant, note=decision.note, at=now)


async def _forbidden(session: AsyncSession, campaign: Campaign, tenant: Tenant) -> tuple[str, str] | None:
    """What has come to be known against moving it since the plan was made."""
    if campaign.release_id is None:
        return None
    if tenant.pinned_release not in (None, campaign.release_id):
        return "pinned", f"It was pinned to release {tenant.pinned_release} since the plan was made."
    from_release = (await revisions.desired(session, tenant)).release_id
    if from_release == campaign.release_id:
        return None
    bad = await pairs.known(session, campaign.release_id)
    why = bad.why(tenant.id, from_release)
    return ("known_bad", why) if why is not None else None


async def _begin(
    session: AsyncSession, platform: Platform, campaign: Campaign, member: Member, tenant: Tenant, *, note: str | None, at: datetime
) -> None:
    try:
        async with session.begin_nested():
            begun = await begin(session, platform, campaign, tenant, actor=WORKER)
    except TemporaryError as error:
        put_off(member, NotBefore(at + BUSY_PAUSE, error.message, error.code), hours=campaign.how.patience_hours, at=at)
        return
    except DomainError as error:
        # Planning refuses: nothing was done to the tenant, and trying again would change nothing.
        member.move(MemberEvent.LEFT_OUT, at=at, code=error.code, reason=error.message)
        return
    if begun.operation is None:
        member.move(MemberEvent.PROVED, at=at, code="unchanged", reason="Nothing had to be restarted: it is what it runs already.")
        return
    member.operation_id, member.started_at = begun.operation.id, at
    member.move(MemberEvent.BEGUN, at=at, code=None, reason=note)
