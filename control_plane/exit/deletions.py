"""Deleting a clinic: it closes first, with a day until which that can be undone; then a last copy is kept for as long as the law asks.

The caller holds the tenant's row. Everything is one transaction of the caller; the worker and the pass `deletions` do the rest.
"""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER, Actor
from control_plane.audit import service as audit
from control_plane.errors import DomainError
from control_plane.exit import exports
from control_plane.exit.errors import ConfirmationMissing, NotClosing, TenantProtected
from control_plane.exit.law import Keeping, keeping
from control_plane.exit.models import TenantExport
from control_plane.law.judging import judge
from control_plane.mail import outbox
from control_plane.operations import service as operations
from control_plane.operations.kinds import OperationKind, StepName
from control_plane.operations.models import Operation
from control_plane.operations.states import OPEN
from control_plane.platform import Platform
from control_plane.revisions import service as revisions
from control_plane.revisions.document import parse
from control_plane.tenants.models import Tenant
from control_plane.tenants.service import Started
from control_plane.tenants.states import TenantState

if TYPE_CHECKING:
    from control_plane.operations.steps.base import Tools

REMINDED_BEFORE: Final = timedelta(days=2)


async def delete(
    session: AsyncSession, platform: Platform, tenant: Tenant, *, actor: Actor, at_once: bool = False, confirm: str | None = None
) -> Started:
    """Begin to delete; everything else is cancelled. Asking again begins nothing more.

    The clinic closes and is deleted once `delete_after` has passed; `at_once` leaves that time out and needs the slug in `confirm`.
    Raises TenantProtected, ConfirmationMissing.
    """
    last = await operations.latest_operation(session, tenant.id)
    going = last is not None and last.kind is OperationKind.DELETE and last.state in OPEN
    if tenant.state is TenantState.DELETED or going or (tenant.state is TenantState.CLOSING and not at_once):
        return Started(tenant, last)
    if tenant.deletion_protected:
        raise TenantProtected(tenant.slug)
    if at_once and confirm != tenant.slug:
        raise ConfirmationMissing(tenant.slug)
    now, window = platform.clock.now(), timedelta(days=platform.settings.deletion_undo_days)
    # A copy of a clinic is nobody's only one, and what is in a demonstration is invented.
    if at_once or not window or not tenant.somebodys_own or tenant.state is TenantState.DELETE_FAILED:
        tenant.delete_after = None
        operation = await operations.start(session, tenant, OperationKind.DELETE, actor=actor, at=now)
        audit.record(session, actor, "tenant.delete_requested", at=now, tenant_id=tenant.id, slug=tenant.slug, at_once=True)
        return Started(tenant, operation)
    tenant.delete_after = now + window
    operation = await operations.start(session, tenant, OperationKind.CLOSE, actor=actor, at=now, until=tenant.delete_after)
    until = tenant.delete_after.isoformat()
    audit.record(session, actor, "tenant.delete_requested", at=now, tenant_id=tenant.id, slug=tenant.slug, delete_after=until)
    await _tell_asked(session, platform, tenant, operation)
    return Started(tenant, operation)


async def undo(session: AsyncSession, platform: Platform, tenant: Tenant, *, actor: Actor) -> Started:
    """Bring a clinic back whose deletion was asked and whose data is still there. Raises NotClosing."""
    last = await operations.latest_operation(session, tenant.id)
    if last is not None and last.kind is OperationKind.UNDO_DELETE and last.state in OPEN:
        return Started(tenant, last)
    dropped = last is not None and last.kind is OperationKind.DELETE and last.step(StepName.DROP).attempts > 0
    if tenant.state not in (TenantState.CLOSING, TenantState.DELETE_FAILED) or dropped:
        raise NotClosing(tenant.slug, tenant.state)
    now = platform.clock.now()
    tenant.delete_after = None
    operation = await operations.start(session, tenant, OperationKind.UNDO_DELETE, actor=actor, at=now, generation=tenant.generation)
    if tenant.final_dump is not None:
        for export in await session.scalars(select(TenantExport).where(TenantExport.object_key == tenant.final_dump)):
            await exports.take_away(session, platform, export, actor=actor)
        tenant.final_dump, tenant.final_dump_until, tenant.final_dump_reason = None, None, None
    audit.record(session, actor, "tenant.delete_undone", at=now, tenant_id=tenant.id, slug=tenant.slug)
    return Started(tenant, operation)


def protect(session: AsyncSession, platform: Platform, tenant: Tenant, *, protected: bool, reason: str, actor: Actor) -> None:
    """Set or lift the protection against deletion."""
    if tenant.deletion_protected != protected:
        tenant.deletion_protected = protected
        action = "tenant.deletion_protected" if protected else "tenant.deletion_unprotected"
        audit.record(session, actor, action, at=platform.clock.now(), tenant_id=tenant.id, reason=reason)


async def delete_due(tools: "Tools") -> None:
    """The pass `deletions`: begin to delete what has been closed for long enough; remind its owner two days before."""
    platform = tools.platform
    soon = platform.clock.now() + REMINDED_BEFORE
    closing = select(Tenant.id).where(Tenant.state == TenantState.CLOSING, Tenant.delete_after <= soon).order_by(Tenant.delete_after)
    async with platform.database.transaction() as session:
        found = list(await session.scalars(closing))
    for tenant_id in found:
        async with platform.database.transaction() as session:
            tenant = await session.get_one(Tenant, tenant_id, with_for_update=True, populate_existing=True)
            if tenant.state is not TenantState.CLOSING or tenant.delete_after is None:
                continue
            now = platform.clock.now()
            if tenant.delete_after > now:
                await _tell_soon(session, platform, tenant)
                continue
            await operations.start(session, tenant, OperationKind.DELETE, actor=WORKER, at=now)
            audit.record(session, WORKER, "tenant.delete_begun", at=now, tenant_id=tenant.id, asked_until=tenant.delete_after.isoformat())


async def legal_keeping(session: AsyncSession, platform: Platform, tenant: Tenant, *, gone_on: date) -> Keeping | None:
    """What the law asks to be kept of the tenant; None where its facts do not say under which law it stands."""
    try:
        return keeping((await judge(session, platform, tenant)).requirements.profile.retention, gone_on)
    except DomainError:
        return None


async def last_copy_terms(session: AsyncSession, platform: Platform, tenant: Tenant) -> tuple[date | None, str, str | None]:
    """Until when the last copy of a clinic that goes today is kept, why, and by which law; None where only a person can say when."""
    today = platform.clock.today()
    least = today + timedelta(days=platform.settings.final_dump_days)
    law = await legal_keeping(session, platform, tenant, gone_on=today)
    if law is None:
        return None, "Which law applies to its records is not clear from the clinic's facts; a person decides how long they are kept.", None
    open_terms = [term for term in law.terms if term.until is None]
    if open_terms:
        said = "; ".join(f"{term.record}: {term.note} ({term.law})" for term in open_terms)
        return None, f"No law fixes how long these records are kept, so a person decides. {said}", None
    longest = law.decisive()
    if longest is None or longest.until is None or longest.until <= least:
        return least, f"Every deleted clinic's last copy is kept for {platform.settings.final_dump_days} days.", None
    basis = f", {longest.basis}" if longest.basis else ""
    reason = f"Records ({longest.record}) are to be kept until {longest.until:%d %B %Y} by {longest.law}{basis}."
    return longest.until, reason, longest.law


async def _tell_asked(session: AsyncSession, platform: Platform, tenant: Tenant, operation: Operation) -> None:
    locale, until = await _words(session, tenant)
    await outbox.send(
        session,
        key=f"deletion-asked-{operation.id}",
        to=tenant.owner_email,
        template="deletion_asked",
        locale=locale,
        at=platform.clock.now(),
        tenant_id=tenant.id,
        clinic=tenant.name,
        until=until,
    )


async def _tell_soon(session: AsyncSession, platform: Platform, tenant: Tenant) -> None:
    locale, until = await _words(session, tenant)
    await outbox.send(
        session,
        key=f"deletion-soon-{tenant.id}-{until}",
        to=tenant.owner_email,
        template="deletion_soon",
        locale=locale,
        at=platform.clock.now(),
        tenant_id=tenant.id,
        clinic=tenant.name,
        until=until,
    )


async def tell_done(session: AsyncSession, platform: Platform, tenant: Tenant, operation: Operation, *, law: str | None) -> None:
    """Tell the owner that the clinic is gone, and what is kept of it until when."""
    clinic = parse((await revisions.desired(session, tenant)).document).clinic
    await outbox.send(
        session,
        key=f"deletion-done-{operation.id}",
        to=tenant.owner_email,
        template="deletion_done",
        locale=clinic.locale,
        at=platform.clock.now(),
        tenant_id=tenant.id,
        clinic=tenant.name,
        kept=tenant.final_dump is not None,
        until=tenant.final_dump_until,
        law=law,
    )


async def _words(session: AsyncSession, tenant: Tenant) -> tuple[str, date]:
    """The clinic's locale, and by its own calendar the day on which it is deleted."""
    assert tenant.delete_after is not None
    clinic = parse((await revisions.desired(session, tenant)).document).clinic
    return clinic.locale, tenant.delete_after.astimezone(ZoneInfo(clinic.timezone)).date()
