"""Following members under way to their end. What counts is what each one's own runtime attested, not that an operation says it is done."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.audit import service as audit
from control_plane.campaigns.change import Change
from control_plane.campaigns.judging import why_unproved
from control_plane.campaigns.models import Campaign, Member
from control_plane.campaigns.pairs import note
from control_plane.campaigns.states import MemberEvent, MemberState
from control_plane.maintenance.rest import ASK_AGAIN, PatientsCame
from control_plane.operations.models import Operation
from control_plane.operations.states import OperationState
from control_plane.revisions.models import Revision
from control_plane.tenants.models import ObservedTenant, Tenant

DISPLACED_PAUSE = timedelta(minutes=5)


async def follow(session: AsyncSession, campaign: Campaign, *, at: datetime) -> int:
    """Bring members under way to where they stand now; answer how many still are."""
    query = (
        select(Member, Operation, ObservedTenant)
        .join(Operation, Operation.id == Member.operation_id)
        .outerjoin(ObservedTenant, ObservedTenant.tenant_id == Member.tenant_id)
        .where(Member.campaign_id == campaign.id, Member.state == MemberState.RUNNING)
        .order_by(Member.rank)
        .with_for_update(of=Member)
        .execution_options(populate_existing=True)
    )
    under_way = 0
    for member, operation, seen in (await session.execute(query)).all():
        await _look(session, campaign, member, operation, seen, at=at)
        under_way += member.state is MemberState.RUNNING
    return under_way


async def _look(
    session: AsyncSession, campaign: Campaign, member: Member, operation: Operation, seen: ObservedTenant | None, *, at: datetime
) -> None:
    match operation.state:
        case OperationState.SUCCEEDED:
            why = await unproved(session, campaign, member, operation, seen)
            if why is None:
                member.move(MemberEvent.PROVED, at=at)
                return
            member.reason = why
        case OperationState.ROLLED_BACK if (operation.failure or {}).get("code") == PatientsCame.code:
            # It broke nothing and says nothing about the release.
            member.move(MemberEvent.DISPLACED, at=at, code=PatientsCame.code, reason=operation.reason)
            member.next_at = at + ASK_AGAIN
            return
        case OperationState.FAILED | OperationState.ROLLED_BACK:
            await _broke(session, campaign, member, operation, at=at)
            return
        case OperationState.SUPERSEDED | OperationState.CANCELLED:
            # A person's own request goes first; afterwards the member is looked at again as it then is.
            member.move(
                MemberEvent.DISPLACED, at=at, code="displaced", reason=f"Its operation was {operation.state.value}: {operation.reason}"
            )
            member.next_at = at + DISPLACED_PAUSE
            return
        case _:
            member.reason = operation.reason
    minutes = campaign.how.stuck_minutes
    assert member.started_at is not None
    if at >= member.started_at + timedelta(minutes=minutes):
        reason = f"Not done within {minutes} minutes; its operation is {operation.state.value}: {member.reason or 'nothing was reported'}"
        member.move(MemberEvent.BROKE, at=at, code="stuck", reason=reason)
        await _remember(session, campaign, member, at=at)


async def unproved(
    session: AsyncSession, campaign: Campaign, member: Member, operation: Operation, seen: ObservedTenant | None
) -> str | None:
    """Why the member's runtime has not proved what the operation was to bring about; None where it has."""
    assert operation.generation is not None
    assert member.started_at is not None
    # Whoever runs a later generation by now proves that one; an older one never counts.
    generation = max(operation.generation, seen.generation or 0) if seen is not None else operation.generation
    query = select(Revision).where(Revision.tenant_id == member.tenant_id, Revision.generation == generation)
    revision = (await session.scalars(query)).one()
    wanted = campaign.release_id or revision.release_id
    return why_unproved(seen, revision, release_id=wanted, since=member.started_at)


async def _broke(session: AsyncSession, campaign: Campaign, member: Member, operation: Operation, *, at: datetime) -> None:
    why = (operation.failure or {}).get("reason") or operation.reason or "no reason given"
    if operation.state is OperationState.ROLLED_BACK:
        member.move(MemberEvent.BROKE, at=at, code="rolled_back", reason=f"It is back on its old release, with its data: {why}")
    else:
        member.move(MemberEvent.BROKE, at=at, code=operation.error_code or "failed", reason=why)
    await _remember(session, campaign, member, at=at)


async def _remember(session: AsyncSession, campaign: Campaign, member: Member, *, at: datetime) -> None:
    details = {"campaign": str(campaign.id), "code": member.code, "reason": member.reason}
    audit.record(session, WORKER, "campaign.member_failed", at=at, tenant_id=member.tenant_id, **details)
    if campaign.change is Change.RELEASE and campaign.release_id is not None:
        pair = (member.from_release, campaign.release_id, member.reason or "")
        await note(session, *pair, actor=WORKER, at=at, tenant_id=member.tenant_id, campaign_id=campaign.id)


async def tenant_of(session: AsyncSession, member: Member) -> Tenant:
    """The member's tenant, locked."""
    return await session.get_one(Tenant, member.tenant_id, with_for_update=True, populate_existing=True)
