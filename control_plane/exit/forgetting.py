"""Taking a clinic's people out of the platform's rows: the last part of an erasure, in its transaction. What was done and when remains."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import case, delete, exists, func, null, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from control_plane.access.models import Account, AccountSession, OperatorKey, RecoveryCode, TenantGrant
from control_plane.access.scopes import Kind
from control_plane.backups.models import Backup, BackupSchedule
from control_plane.backups.states import BackupEvent, BackupState
from control_plane.billing.models import Agreement
from control_plane.exit.models import Erasure, ExportKind, ExportLink, TenantExport
from control_plane.law.models import StatementRow
from control_plane.mail import outbox
from control_plane.operations.kinds import OperationKind
from control_plane.operations.models import Operation
from control_plane.resellers.models import TenantTransfer
from control_plane.revisions.models import Revision
from control_plane.signup.models import Reservation, Signup
from control_plane.support.models import SupportRequest
from control_plane.tenants.models import ObservedTenant, Tenant
from control_plane.tenants.states import TenantState

NAME: Final = "(erased)"
EMAIL: Final = "erased@invalid"
GONE: Final = "The clinic was erased."
NOBODY: Final = "erased"
"""Stands where somebody of the clinic was named as having done something; the audit goes on saying who."""
_THEIRS: Final = ("owner:%", "signup:%")
"""Labels of the clinic's own people; operators and resellers are named as before."""
_DONE_BY: Final[tuple[InstrumentedAttribute[str] | InstrumentedAttribute[str | None], ...]] = (
    Operation.created_by,
    Operation.asked_by,
    Agreement.agreed_by,
    TenantExport.created_by,
    Erasure.requested_by,
    TenantTransfer.asked_by,
)
_SAID_TO_PEOPLE: Final = (OperationKind.PROVISION, OperationKind.INVITE)


async def forget(session: AsyncSession, tenant: Tenant, *, at: datetime) -> None:
    """Blank what names people. Revisions and statements are immutable but for this: the database lets exactly this blanking through."""
    await outbox.forget(session, tenant.id)
    for made_for in (Signup, ObservedTenant, BackupSchedule):
        await session.execute(delete(made_for).where(made_for.tenant_id == tenant.id))
    await session.execute(delete(Reservation).where(Reservation.id == tenant.id))
    for backup in await session.scalars(select(Backup).where(Backup.tenant_id == tenant.id, Backup.state == BackupState.READY)):
        # Their objects are gone by now: the rows say so, and why.
        backup.move(BackupEvent.RETAINED_LONG_ENOUGH, at=at, reason=GONE)
        await session.flush()
        backup.move(BackupEvent.REMOVED, at=at, reason=GONE)
    # Nobody has anything to see any more: not its owners, and no reseller.
    grants = update(TenantGrant).where(TenantGrant.tenant_id == tenant.id, TenantGrant.ended_at.is_(None))
    await session.execute(grants.values(ended_at=at))
    await _accounts(session, tenant, at=at)
    await _deeds(session, tenant.id)
    await _statements(session, tenant.id)
    blank = (
        update(Revision).where(Revision.tenant_id == tenant.id).values(document=func.blank_revision(Revision.document), created_by=NOBODY)
    )
    await session.execute(blank.execution_options(synchronize_session=False))
    tenant.name, tenant.owner_email, tenant.tax_id, tenant.url = NAME, EMAIL, None, None


async def _accounts(session: AsyncSession, tenant: Tenant, *, at: datetime) -> None:
    """Whoever could sign in here for this clinic alone is known no longer; who has another one is left as they are."""
    mine = select(TenantGrant.account_id).where(TenantGrant.tenant_id == tenant.id, TenantGrant.account_id.is_not(None))
    granted = exists().where(TenantGrant.account_id == Account.id, TenantGrant.tenant_id != tenant.id, TenantGrant.ended_at.is_(None))
    alone = select(Account).where(Account.id.in_(mine), Account.kind == Kind.OWNER, ~granted).order_by(Account.id).with_for_update()
    addresses = {tenant.owner_email.lower()}
    for account in await session.scalars(alone):
        if await _owns_another(session, account.email, tenant.id):
            continue
        addresses.add(account.email)
        for belonging in (AccountSession, RecoveryCode):
            await session.execute(delete(belonging).where(belonging.account_id == account.id))
        keys = update(OperatorKey).where(OperatorKey.account_id == account.id)
        await session.execute(keys.values(name=NAME, revoked_at=func.coalesce(OperatorKey.revoked_at, at)))
        account.email, account.name = f"{account.id}@{EMAIL.partition('@')[2]}", NAME
        account.password_hash, account.sealed_second_factor, account.second_factor_since = None, None, None
        account.oidc_issuer, account.oidc_subject, account.disabled_at = None, None, account.disabled_at or at
    await session.flush()
    for address in sorted(addresses):
        if not await _known(session, address, tenant.id):
            await outbox.forget_address(session, address)


async def _owns_another(session: AsyncSession, address: str, tenant_id: UUID) -> bool:
    """A clinic that nobody has looked at on the account pages yet is granted with the next link."""
    theirs = (func.lower(Tenant.owner_email) == address, Tenant.id != tenant_id, Tenant.state != TenantState.DELETED)
    return await session.scalar(select(Tenant.id).where(*theirs).limit(1)) is not None


async def _known(session: AsyncSession, address: str, tenant_id: UUID) -> bool:
    found = await session.scalar(select(Account.id).where(Account.email == address))
    return found is not None or await _owns_another(session, address, tenant_id)


async def _deeds(session: AsyncSession, tenant_id: UUID) -> None:
    told = update(Operation).where(Operation.tenant_id == tenant_id, Operation.kind.in_(_SAID_TO_PEOPLE))
    await session.execute(told.values(result={}))
    for column in _DONE_BY:
        done = update(column.class_).where(column.class_.tenant_id == tenant_id, or_(*(column.like(label) for label in _THEIRS)))
        await session.execute(done.values({column.key: NOBODY}).execution_options(synchronize_session=False))
    # Why an export was kept says who asked for it; it is gone by now.
    asked = update(TenantExport).where(TenantExport.tenant_id == tenant_id, TenantExport.kind == ExportKind.OWNER)
    await session.execute(asked.values(reason=GONE).execution_options(synchronize_session=False))
    exports = select(TenantExport.id).where(TenantExport.tenant_id == tenant_id)
    links = update(ExportLink).where(ExportLink.export_id.in_(exports)).values(created_by=NOBODY)
    await session.execute(links.execution_options(synchronize_session=False))
    # Who let support in, and what they said to it.
    visits = update(SupportRequest).where(SupportRequest.tenant_id == tenant_id)
    answered = case((SupportRequest.decided_by.is_not(None), NOBODY), else_=null())
    await session.execute(visits.values(decided_by=answered, note=None).execution_options(synchronize_session=False))
    for transfer in await session.scalars(select(TenantTransfer).where(TenantTransfer.tenant_id == tenant_id)):
        transfer.consents = {party: _unnamed(consent) for party, consent in transfer.consents.items()}


def _unnamed(consent: dict[str, object]) -> dict[str, object]:
    """What a party said to a transfer, without who of the clinic said it."""
    by = str(consent.get("by") or "")
    return {**consent, "by": NOBODY, "note": None} if by.startswith(tuple(label[:-1] for label in _THEIRS)) else consent


async def _statements(session: AsyncSession, tenant_id: UUID) -> None:
    """What was stated says under which law the records stood, and stays; the tax id and who stated it do not."""
    rows = update(StatementRow).where(StatementRow.tenant_id == tenant_id)
    value = case((StatementRow.name == "tax_id", null()), else_=StatementRow.value)
    await session.execute(rows.values(stated_by=NOBODY, note=None, value=value).execution_options(synchronize_session=False))
