"""Asking a clinic, hearing what it said, ending it, and passes for the person it let in."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access import accounts
from control_plane.access.actors import WORKER, Actor
from control_plane.audit import service as audit
from control_plane.mail import outbox
from control_plane.operations.backoff import delay_after
from control_plane.platform import Platform
from control_plane.revisions import service as revisions
from control_plane.revisions.document import parse
from control_plane.support.asking import MEANING, Away, Question, Refused, Told, ask, make_pass
from control_plane.support.errors import (
    NotYourSupport,
    SupportAskedAlready,
    SupportImpossible,
    SupportNeedsAPerson,
    SupportNotOpen,
    UnknownSupportRequest,
)
from control_plane.support.models import SupportRequest
from control_plane.support.states import MACHINE, UNFINISHED, SupportEvent, SupportState
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState

LOOK_EVERY: Final = timedelta(seconds=15)
"""How often a runtime that is awake is asked."""
WAKE_EVERY: Final = timedelta(minutes=5)
"""How often one that sleeps is woken for it: who answers is signed in there, and so keeps it awake for a while."""
_NOBODY_THERE: Final = frozenset({TenantState.PROVISIONING, TenantState.CLOSING, TenantState.DELETING, TenantState.DELETED})
_FORGOTTEN: Final = "The clinic's data was put back to what it was before it agreed, and its consent with it. Ask it again."
_SAID: Final = {
    SupportState.OPEN: "support.accepted",
    SupportState.DECLINED: "support.declined",
    SupportState.LAPSED: "support.lapsed",
    SupportState.ENDED: "support.ended",
    SupportState.REVOKED: "support.revoked",
    SupportState.CLOSED: "support.closed",
    SupportState.FAILED: "support.failed",
}


async def request(
    session: AsyncSession, platform: Platform, tenant: Tenant, *, why: str, minutes: int, hours: int, actor: Actor
) -> SupportRequest:
    """Ask the clinic; the worker brings it there. Raises SupportNeedsAPerson, SupportImpossible, SupportAskedAlready."""
    if actor.account_id is None:
        raise SupportNeedsAPerson
    if tenant.state in _NOBODY_THERE or tenant.copy_of is not None:
        raise SupportImpossible(tenant.slug, "it is a copy" if tenant.copy_of else f"it is {tenant.state.value}")
    now = platform.clock.now()
    person = await accounts.get(session, actor.account_id)
    made = SupportRequest(
        tenant_id=tenant.id,
        account_id=person.id,
        operator=person.email,
        operator_name=person.name,
        why=why,
        minutes=minutes,
        created_at=now,
        expires_at=now + timedelta(hours=hours),
        due_at=now,
        failures=0,
        reads=0,
    )
    try:
        async with session.begin_nested():
            session.add(made)
    except IntegrityError as error:
        raise SupportAskedAlready(tenant.slug) from error
    audit.record(
        session, actor, "support.requested", at=now, tenant_id=tenant.id, request=str(made.id), minutes=minutes, why=why, by=person.email
    )
    return made


async def find(session: AsyncSession, tenant: Tenant, request_id: UUID, *, lock: bool = False) -> SupportRequest:
    """Raises UnknownSupportRequest."""
    query = select(SupportRequest).where(SupportRequest.id == request_id, SupportRequest.tenant_id == tenant.id)
    found = await session.scalar(query.with_for_update().execution_options(populate_existing=True) if lock else query)
    if found is None:
        raise UnknownSupportRequest(request_id)
    return found


async def end(session: AsyncSession, platform: Platform, request: SupportRequest, *, actor: Actor) -> None:
    """End it, or take it back, at once where the runtime answers; no pass is given from now on. Over already → nothing."""
    if request.state not in UNFINISHED:
        return
    now = platform.clock.now()
    if request.state is not SupportState.CLOSING:
        request.move(SupportEvent.ENDING)
        audit.record(session, actor, "support.ending", at=now, tenant_id=request.tenant_id, request=str(request.id))
    await hear(session, request, await ask(platform.deployer, platform.key, question_of(request)), at=now)


async def let_in(session: AsyncSession, platform: Platform, request: SupportRequest, *, actor: Actor) -> str:
    """A pass for the person the clinic let in, once the runtime said that its consent holds. Raises NotYourSupport, SupportNotOpen."""
    if actor.account_id != request.account_id:
        raise NotYourSupport
    now = platform.clock.now()
    if request.state in (SupportState.ASKED, SupportState.OPEN):
        await hear(session, request, await ask(platform.deployer, platform.key, question_of(request)), at=now)
    if request.state is not SupportState.OPEN or request.deadline <= now:
        raise SupportNotOpen(request.state)
    audit.record(session, actor, "support.pass_given", at=now, tenant_id=request.tenant_id, request=str(request.id))
    return make_pass(platform.key, tenant_id=request.tenant_id, request_id=request.id, operator=request.operator)


def question_of(request: SupportRequest) -> Question:
    return Question(**{name: getattr(request, name) for name in Question.__dataclass_fields__})


async def hear(session: AsyncSession, request: SupportRequest, answer: Told | Away | Refused, *, at: datetime) -> None:
    """Write down what the runtime answered. `request` is locked, and in the state it was asked in."""
    before = request.state
    request.looked_at = at
    match answer:
        case Told(ends_at=None) if request.state is SupportState.OPEN:
            # Its data is older than its consent: what the clinic may have taken back since is not known there either. It is told at once.
            request.failures, request.reason = 0, _FORGOTTEN
            _take(request, SupportEvent.ENDING)
        case Told():
            request.failures, request.reason = 0, None
            for name in ("decided_at", "decided_by", "note", "ends_at", "opened_at", "ended_at", "reads"):
                setattr(request, name, getattr(answer, name))
            _take(request, MEANING[answer.state])
        case Refused(reason):
            request.reason = reason
            _take(request, SupportEvent.REFUSED)
        case Away(reason):
            request.failures += 1
            request.reason = reason
    if request.state in UNFINISHED and request.deadline <= at:
        # Consent ends with its time, and a request with its own, whether the runtime says so or not.
        request.ended_at = request.deadline
        _take(request, SupportEvent.TIME_OVER if request.ends_at else SupportEvent.NOBODY_ANSWERED)
    pause = delay_after(request.failures) if request.failures else LOOK_EVERY
    request.due_at = min(at + pause, max(request.deadline, at + timedelta(seconds=1)))
    if request.state is not before:
        await _tell(session, request, at=at)


def _take(request: SupportRequest, event: SupportEvent) -> None:
    if MACHINE.allows(request.state, event):
        request.move(event)


async def _tell(session: AsyncSession, request: SupportRequest, *, at: datetime) -> None:
    """The audit and the owner's mail about a state that was reached."""
    if request.state is SupportState.ASKED:
        await _mail(session, request, at=at)
    if request.state in _SAID:
        details = {"decided_by": request.decided_by, "note": request.note, "reads": request.reads, "reason": request.reason}
        told = {name: value for name, value in details.items() if value is not None}
        audit.record(session, WORKER, _SAID[request.state], at=at, tenant_id=request.tenant_id, request=str(request.id), **told)


async def _mail(session: AsyncSession, request: SupportRequest, *, at: datetime) -> None:
    tenant = await session.get_one(Tenant, request.tenant_id)
    clinic = parse((await revisions.desired(session, tenant)).document).clinic
    await outbox.send(
        session,
        key=f"support-requested-{request.id}",
        to=tenant.owner_email,
        template="support_requested",
        locale=clinic.locale,
        at=at,
        tenant_id=tenant.id,
        clinic=tenant.name,
        who=request.operator_name,
        operator=request.operator,
        why=request.why,
        minutes=request.minutes,
        link=f"{(tenant.url or '').rstrip('/')}/support",
        until=f"{request.expires_at:%Y-%m-%d %H:%M} UTC",
    )
