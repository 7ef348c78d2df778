"""Erasing what is left of a deleted clinic, system by system, each with a receipt; what the law asks for stays, and says until when.

`plan` says beforehand what `carry_out` will do: both go by the same decisions. What is kept goes by itself on its day (the pass `exits`).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER, Actor
from control_plane.audit import service as audit
from control_plane.audit.models import AuditEntry
from control_plane.backups.models import Backup
from control_plane.backups.states import BackupState
from control_plane.billing import agreements
from control_plane.billing.accounts import guard
from control_plane.billing.states import PayerKind
from control_plane.exit import exports
from control_plane.exit.deletions import legal_keeping
from control_plane.exit.errors import ErasureConflict, NotDeleted, UnknownErasure
from control_plane.exit.forgetting import forget
from control_plane.exit.law import Keeping
from control_plane.exit.models import Erasure, ErasureReceipt, ExportKind, ReceiptStatus, TenantExport
from control_plane.mail.models import OutgoingMail
from control_plane.operations import service as operations
from control_plane.operations.kinds import OperationKind
from control_plane.operations.models import Operation
from control_plane.platform import Platform
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState

if TYPE_CHECKING:
    from control_plane.operations.steps.base import Tools, Work

LAST_COPY: Final = "last_copy"
_ACCOUNTABILITY: Final = "GDPR art. 5(2) and art. 17(3)(e): proof of what was done, and when"
_INVOICES: Final = "VAT directive 2006/112/EC art. 244 and 247, and the law of accounting of whoever issued them"


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of the tenant in one system, before or after the fact."""

    system: str
    status: ReceiptStatus
    what: str
    law: str | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    decisions: tuple[Decision, ...]
    conflicts: Keeping | None
    """What the law asks to be kept; None where that is not clear from the facts."""


async def plan(session: AsyncSession, platform: Platform, tenant: Tenant, *, handed_over: bool) -> Plan:
    """What an erasure asked now would do. Raises NotDeleted, and ErasureConflict as the request would."""
    if tenant.state is not TenantState.DELETED:
        raise NotDeleted(tenant.slug, tenant.state)
    gone_on = (tenant.deleted_at or platform.clock.now()).date()
    law = await legal_keeping(session, platform, tenant, gone_on=gone_on)
    copy = await _last_copy(session, tenant)
    if handed_over and copy is not None and copy.downloaded_at is None:
        raise ErasureConflict(law.terms if law else ())
    return Plan(tuple(await _decide(session, platform, tenant, copy, handed_over=handed_over)), law)


async def request(session: AsyncSession, platform: Platform, tenant: Tenant, *, actor: Actor, reason: str, handed_over: bool) -> Erasure:
    """Begin to erase; the one that is under way where there is one. `tenant` is locked. Raises what `plan` raises."""
    under_way = select(Erasure).where(Erasure.tenant_id == tenant.id, Erasure.finished_at.is_(None))
    if (found := await session.scalar(under_way)) is not None:
        return found
    await plan(session, platform, tenant, handed_over=handed_over)
    now = platform.clock.now()
    erasure = Erasure(tenant_id=tenant.id, reason=reason, handed_over=handed_over, requested_at=now, requested_by=actor.label)
    session.add(erasure)
    await session.flush()
    operation = await operations.start(session, tenant, OperationKind.ERASE, actor=actor, at=now, params={"erasure": str(erasure.id)})
    erasure.operation_id = operation.id
    audit.record(session, actor, "erasure.requested", at=now, tenant_id=tenant.id, erasure=str(erasure.id), handed_over=handed_over)
    return erasure


async def find(session: AsyncSession, tenant: Tenant, erasure_id: UUID) -> Erasure:
    """Raises UnknownErasure, also for another tenant's."""
    erasure = await session.get(Erasure, erasure_id)
    if erasure is None or erasure.tenant_id != tenant.id:
        raise UnknownErasure(erasure_id)
    return erasure


async def receipts(session: AsyncSession, erasure: Erasure) -> list[ErasureReceipt]:
    query = select(ErasureReceipt).where(ErasureReceipt.erasure_id == erasure.id).order_by(ErasureReceipt.system)
    return list(await session.scalars(query))


async def clear_outside(work: "Work", tools: "Tools") -> list[str]:
    """Remove the tenant from every system but the platform's database; the object keys that were removed. Repeatable."""
    platform, tenant_id = tools.platform, work.placement.tenant_id
    await tools.deployer.remove(tenant_id)
    await tools.databases.drop(tenant_id)
    await _forget_payer(platform, tenant_id)
    work.half_done()
    async with platform.database.transaction() as session:
        tenant = await session.get_one(Tenant, tenant_id)
        kept = await _kept_copy(session, platform, tenant, await session.get_one(Erasure, UUID(work.params["erasure"])))
    removed = []
    for stored in await _stored(platform, tenant_id):
        if kept is None or stored != kept.object_key:
            await platform.objects.delete(stored)
            removed.append(stored)
    return removed


async def write_receipts(session: AsyncSession, platform: Platform, tenant: Tenant, operation: Operation) -> None:
    """Erase the tenant's rows and write what became of it everywhere, in the transaction that ends the operation's step."""
    erasure = await session.get_one(Erasure, UUID(operation.params["erasure"]), with_for_update=True)
    now, copy = platform.clock.now(), await _last_copy(session, tenant)
    decisions = await _decide(session, platform, tenant, copy, handed_over=erasure.handed_over)
    kept = await _kept_copy(session, platform, tenant, erasure)
    for export in await session.scalars(select(TenantExport).where(TenantExport.tenant_id == tenant.id, TenantExport.removed_at.is_(None))):
        if kept is None or export.id != kept.id:
            await exports.take_away(session, platform, export, actor=WORKER)
    if kept is None:
        await platform.vault.destroy_tenant_key(session, tenant.id)
        tenant.final_dump, tenant.final_dump_until, tenant.final_dump_reason = None, None, None
    await forget(session, tenant, at=now)
    for one in decisions:
        values = {"status": one.status, "what": one.what, "law": one.law, "until": one.until, "at": now}
        added = insert(ErasureReceipt).values(erasure_id=erasure.id, system=one.system, **values)
        await session.execute(added.on_conflict_do_update(index_elements=["erasure_id", "system"], set_=values))
    erasure.finished_at = erasure.finished_at or now
    audit.record(session, WORKER, "erasure.finished", at=now, tenant_id=tenant.id, erasure=str(erasure.id), kept=kept is not None)


async def copies_due(tools: "Tools") -> None:
    """The pass `exits`: take away what has been kept for long enough. With the last copy of a deleted clinic its key is destroyed."""
    platform = tools.platform
    today = platform.clock.today()
    over = select(TenantExport.id, TenantExport.tenant_id).where(TenantExport.removed_at.is_(None), TenantExport.kept_until < today)
    async with platform.database.transaction() as session:
        due = (await session.execute(over.order_by(TenantExport.kept_until))).all()
    for export_id, tenant_id in due:
        async with platform.database.transaction() as session:
            tenant = await session.get_one(Tenant, tenant_id, with_for_update=True)
            export = await session.get_one(TenantExport, export_id, with_for_update=True, populate_existing=True)
            await exports.take_away(session, platform, export, actor=WORKER)
            if export.kind is ExportKind.FINAL:
                await _end_of_last_copy(session, platform, tenant)


async def _end_of_last_copy(session: AsyncSession, platform: Platform, tenant: Tenant) -> None:
    now = platform.clock.now()
    await platform.vault.destroy_tenant_key(session, tenant.id)
    tenant.final_dump, tenant.final_dump_until, tenant.final_dump_reason = None, None, None
    audit.record(session, WORKER, "tenant.final_dump_deleted", at=now, tenant_id=tenant.id)
    mine = select(Erasure.id).where(Erasure.tenant_id == tenant.id)
    kept = update(ErasureReceipt).where(
        ErasureReceipt.erasure_id.in_(mine), ErasureReceipt.system == LAST_COPY, ErasureReceipt.status == ReceiptStatus.KEPT
    )
    said = "Removed on its day, and its key destroyed: no copy of it can be read by anybody."
    await session.execute(kept.values(status=ReceiptStatus.ERASED, what=said, at=now))


async def _last_copy(session: AsyncSession, tenant: Tenant) -> TenantExport | None:
    query = select(TenantExport).where(
        TenantExport.tenant_id == tenant.id, TenantExport.kind == ExportKind.FINAL, TenantExport.removed_at.is_(None)
    )
    return await session.scalar(query.order_by(TenantExport.number.desc()).limit(1))


async def _kept_copy(session: AsyncSession, platform: Platform, tenant: Tenant, erasure: Erasure) -> TenantExport | None:
    """The last copy, where the law asks for it and the clinic has not taken that over."""
    copy = await _last_copy(session, tenant)
    return copy if copy is not None and not erasure.handed_over and await _lawful(session, platform, tenant, copy) is not None else None


async def _lawful(session: AsyncSession, platform: Platform, tenant: Tenant, copy: TenantExport) -> Decision | None:
    """Why and until when a last copy stays; None where no law asks for it any more."""
    law = await legal_keeping(session, platform, tenant, gone_on=copy.created_at.date())
    terms = law.terms if law is not None else ()
    asking = [term for term in terms if term.until is None or term.until >= platform.clock.today()]
    if law is not None and not asking:
        return None
    named = "; ".join(f"{term.law} ({term.record})" for term in asking) or "not known: the clinic's facts do not say which law applies"
    what = "The last copy stays, sealed with the clinic's own key, and is read by nobody; with its day, copy and key are destroyed."
    return Decision(LAST_COPY, ReceiptStatus.KEPT, what, named, copy.kept_until)


async def _decide(
    session: AsyncSession, platform: Platform, tenant: Tenant, copy: TenantExport | None, *, handed_over: bool
) -> list[Decision]:
    erased, nothing = ReceiptStatus.ERASED, ReceiptStatus.NOTHING
    # By rows, not by objects: those are gone by the time the receipts are written.
    stored = await _copies(session, tenant, copy)
    mails = await session.scalar(select(func.count()).select_from(OutgoingMail).where(OutgoingMail.tenant_id == tenant.id))
    entries = await session.scalar(select(func.count()).select_from(AuditEntry).where(AuditEntry.tenant_id == tenant.id))
    lawful = None if copy is None or handed_over else await _lawful(session, platform, tenant, copy)
    if lawful is not None:
        last = lawful
        shredded = "Deleted from the object store."
    else:
        taken = "Its records are with the clinic, which downloaded them. " if handed_over else ""
        words = f"{taken}Deleted, and its key destroyed: no copy of it can be read by anybody."
        last = Decision(LAST_COPY, erased, words) if copy is not None else Decision(LAST_COPY, nothing, "No last copy was kept.")
        shredded = "Deleted from the object store, and their key destroyed: copies elsewhere cannot be read by anybody."
    return [
        last,
        Decision("runtime", erased, "Its place, secrets, files, mails and logs on the machine that ran it are removed."),
        Decision("database", erased, "The database and both its roles are dropped."),
        Decision("backups", erased if stored else nothing, f"{stored} backups and exports. {shredded}"),
        Decision("mails", erased if mails else nothing, f"{mails} mails to its owner, with their text."),
        Decision(
            "account",
            erased,
            "Names, addresses and tax id are blanked in the account and in every revision and statement, and so is who could sign in here "
            "for this clinic alone; states and dates remain.",
        ),
        Decision(
            "stored_answers",
            ReceiptStatus.EXPIRES,
            "Answers kept for repeated requests go after a day.",
            until=platform.clock.today() + timedelta(days=2),
        ),
        Decision("logs", nothing, "The platform's logs name a clinic by its id and no people; they rotate."),
        Decision("audit", ReceiptStatus.KEPT, f"{entries} entries of who did what to the account; nothing of patients.", _ACCOUNTABILITY),
        await _at_the_payment_provider(session, tenant),
    ]


async def _at_the_payment_provider(session: AsyncSession, tenant: Tenant) -> Decision:
    agreement = await agreements.of(session, tenant.id)
    if agreement is None or agreement.customer is None:
        return Decision("payment_provider", ReceiptStatus.NOTHING, "Nothing was ever paid for it.")
    count = len(await agreements.invoices_of(session, tenant.id))
    if agreement.payer is PayerKind.RESELLER:
        gone = "Its subscription is ended. Its reseller paid: nobody of the clinic is known there."
    else:
        gone = f"The customer at {agreement.provider} is removed, with name, address and cards, and its subscription is ended."
    return Decision("payment_provider", ReceiptStatus.KEPT, f"{gone} {count} invoices stay with whoever issued them.", _INVOICES)


async def _forget_payer(platform: Platform, tenant_id: UUID) -> None:
    """Remove who paid from the payment provider. A reseller goes on paying for others, and stays. Repeatable."""
    async with platform.database.transaction() as session:
        agreement = await agreements.of(session, tenant_id)
    if agreement is None or agreement.customer is None:
        return
    provider = platform.payments.get(agreement.provider)
    await guard(platform, agreement.provider)
    if agreement.subscription is not None and not agreement.status.over:
        await provider.cancel(agreement.subscription, at_period_end=False, key=f"erased:{agreement.subscription}")
    if agreement.payer is not PayerKind.RESELLER:
        await provider.forget(agreement.customer)
    for name, connected in platform.payments.by_name.items():
        # It may have paid by itself before, with another card or by bank transfer.
        await guard(platform, name)
        if (own := await connected.find_customer(f"tenant:{tenant_id}")) is not None and own != agreement.customer:
            await connected.forget(own)


async def _copies(session: AsyncSession, tenant: Tenant, but: TenantExport | None) -> int:
    """How many backups and exports there are, the last copy aside."""
    exported = select(func.count(TenantExport.id)).where(TenantExport.tenant_id == tenant.id, TenantExport.removed_at.is_(None))
    if but is not None:
        exported = exported.where(TenantExport.id != but.id)
    backed_up = select(func.count(Backup.id)).where(Backup.tenant_id == tenant.id, Backup.state == BackupState.READY)
    return (await session.scalar(exported) or 0) + (await session.scalar(backed_up) or 0)


async def _stored(platform: Platform, tenant_id: UUID) -> list[str]:
    """Every object of the tenant, by key."""
    return [one.key for prefix in ("backups", "exports") for one in await platform.objects.list(f"{prefix}/{tenant_id}/")]
