"""Tenants that change hands: asked for, agreed to by everybody concerned, and then done in one transaction.

Whose agreement it takes: the clinic's, the reseller's that gives it and the one's that takes it, as far as there are any. Asking counts as
the asking party's agreement. Nobody's price changes by it: what was agreed to is paid until somebody agrees to something else.
"""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER, Actor
from control_plane.access.models import Account, Reseller, TenantGrant
from control_plane.access.scopes import Kind, Role
from control_plane.audit import service as audit
from control_plane.billing import agreements
from control_plane.billing.states import PayerKind
from control_plane.mail import outbox
from control_plane.operations.steps.base import Tools
from control_plane.platform import Platform
from control_plane.resellers import opening, service
from control_plane.resellers.belonging import customer_of
from control_plane.resellers.errors import (
    NotTheirTenant,
    NotTransferable,
    TransferNowhere,
    TransferOpen,
    TransferOver,
    TransferOvertaken,
    UnknownParty,
    UnknownTransfer,
)
from control_plane.resellers.models import TenantTransfer
from control_plane.resellers.states import OPEN_FOR, TransferEvent, TransferState
from control_plane.resellers.terms import Payer
from control_plane.revisions import service as revisions
from control_plane.revisions.document import parse
from control_plane.tenants.models import Tenant
from control_plane.tenants.service import refuse_going

Party = Literal["clinic", "giving", "taking"]
Concerned = tuple[TenantTransfer, Tenant]
"""Both rows, locked, the tenant's first."""
DIRECT: Final = "DentalPin"
"""What a clinic's partner is called where it has none."""


def parties(transfer: TenantTransfer) -> list[Party]:
    """Whose agreement it takes."""
    found: list[Party] = ["clinic"]
    if transfer.giving_id is not None:
        found.append("giving")
    if transfer.taking_id is not None:
        found.append("taking")
    return found


def party_of(transfer: TenantTransfer, actor: Actor, wanted: Party | None) -> Party:
    """For whom an actor answers; operators say it. Raises UnknownParty for one that has no say."""
    mine: Party | None = wanted
    if actor.kind == Kind.OWNER:
        mine = "clinic"
    elif actor.kind == Kind.RESELLER:
        mine = "giving" if actor.reseller_id == transfer.giving_id else "taking" if actor.reseller_id == transfer.taking_id else None
    if mine is None or mine not in parties(transfer) or wanted not in (None, mine):
        raise UnknownParty(wanted or actor.kind, parties(transfer))
    return mine


async def ask(
    session: AsyncSession, platform: Platform, tenant: Tenant, taking: UUID | None, payer: Payer, *, actor: Actor
) -> TenantTransfer:
    """Ask that a tenant, which is locked, goes to another reseller, or to none. Everybody else concerned is told by mail.

    Raises NotTransferable, TransferNowhere, TransferOpen, UnknownReseller, TenantGoing, and NotTheirTenant for staff of one that is not
    its reseller.
    """
    refuse_going(tenant)
    if not tenant.somebodys_own:
        raise NotTransferable(tenant.slug)
    now = platform.clock.now()
    present = await customer_of(session, tenant.id)
    giving = present.reseller_id if present else None
    if actor.kind == Kind.RESELLER and actor.reseller_id != giving:
        raise NotTheirTenant(tenant.slug)
    if taking == giving:
        raise TransferNowhere(tenant.slug)
    if taking is not None:
        await service.find(session, taking)
    known = await session.scalar(select(TenantTransfer).where(TenantTransfer.tenant_id == tenant.id, TenantTransfer.closed_at.is_(None)))
    if known is not None and known.expires_at > now:
        raise TransferOpen(tenant.slug, known.id)
    if known is not None:
        _close(session, known, tenant, TransferEvent.TIME_PASSED, actor=WORKER, at=now, reason=_LATE)
        await session.flush()
    transfer = TenantTransfer(
        tenant_id=tenant.id,
        giving_id=giving,
        taking_id=taking,
        payer=payer if taking is not None else Payer.CLINIC,
        state=TransferState.REQUESTED,
        asked_by=actor.label,
        created_at=now,
        expires_at=now + OPEN_FOR,
        consents={},
    )
    session.add(transfer)
    await session.flush()
    about = {"transfer": str(transfer.id), "giving": str(giving) if giving else None, "taking": str(taking) if taking else None}
    audit.record(session, actor, "tenant.transfer_asked", at=now, tenant_id=tenant.id, about=about)
    if actor.kind in (Kind.OWNER, Kind.RESELLER):
        _consent(transfer, party_of(transfer, actor, None), actor, at=now, note=None)
    await _tell(session, platform, tenant, transfer)
    return transfer


async def find(
    session: AsyncSession, transfer_id: UUID, *, tenant_id: UUID | None = None, reseller_id: UUID | None = None, lock: bool = True
) -> TenantTransfer:
    """The transfer, if it is of this tenant or concerns this reseller. Raises UnknownTransfer."""
    query = select(TenantTransfer).where(TenantTransfer.id == transfer_id)
    if tenant_id is not None:
        query = query.where(TenantTransfer.tenant_id == tenant_id)
    if reseller_id is not None:
        query = query.where((TenantTransfer.giving_id == reseller_id) | (TenantTransfer.taking_id == reseller_id))
    found = await session.scalar(query.with_for_update().execution_options(populate_existing=True) if lock else query)
    if found is None:
        raise UnknownTransfer(transfer_id)
    return found


async def accept(
    session: AsyncSession, platform: Platform, concerned: Concerned, *, party: Party | None, note: str | None, actor: Actor
) -> None:
    """Agree; with the last one's agreement it is done. Both rows are locked. Raises TransferOver, UnknownParty, TransferOvertaken, and the
    ceilings of the reseller that takes it."""
    transfer, tenant = concerned
    now = platform.clock.now()
    mine = party_of(transfer, actor, party)
    _refuse_over(transfer, platform)
    if mine not in transfer.consents:
        _consent(transfer, mine, actor, at=now, note=note)
        audit.record(
            session, actor, "tenant.transfer_agreed", at=now, tenant_id=tenant.id, transfer=str(transfer.id), party=mine, note=note
        )
    if all(one in transfer.consents for one in parties(transfer)):
        await _carry_out(session, platform, transfer, tenant, actor=actor)


async def decline(
    session: AsyncSession, platform: Platform, concerned: Concerned, *, party: Party | None, note: str | None, actor: Actor
) -> None:
    """Say no, which ends it. Raises TransferOver, UnknownParty."""
    transfer, tenant = concerned
    mine = party_of(transfer, actor, party)
    _refuse_over(transfer, platform)
    words = {"clinic": "The clinic", "giving": "The reseller that was to give it", "taking": "The reseller that was to take it"}[mine]
    reason = f"{words} declined{f': {note}' if note else '.'}"
    _close(session, transfer, tenant, TransferEvent.DECLINED, actor=actor, at=platform.clock.now(), reason=reason)


async def withdraw(session: AsyncSession, platform: Platform, transfer: TenantTransfer, tenant: Tenant, *, actor: Actor) -> None:
    """Take it back: whoever asked for it, or an operator. Raises TransferOver, UnknownParty."""
    if not actor.sees_all and transfer.consents.get(party_of(transfer, actor, None), {}).get("asked") is not True:
        raise UnknownParty(actor.kind, [transfer.asked_by])
    _refuse_over(transfer, platform)
    reason = "Whoever asked for it took it back."
    _close(session, transfer, tenant, TransferEvent.WITHDRAWN, actor=actor, at=platform.clock.now(), reason=reason)


async def expire_due(tools: Tools) -> None:
    """End what not everybody agreed to in time."""
    platform = tools.platform
    now = platform.clock.now()
    async with platform.database.transaction() as session:
        due = select(TenantTransfer.id).where(TenantTransfer.state == TransferState.REQUESTED, TenantTransfer.expires_at <= now)
        found = list(await session.scalars(due.limit(500)))
    for transfer_id in found:
        async with platform.database.transaction() as session:
            transfer = await find(session, transfer_id)
            if transfer.state is TransferState.REQUESTED:
                tenant = await session.get_one(Tenant, transfer.tenant_id)
                _close(session, transfer, tenant, TransferEvent.TIME_PASSED, actor=WORKER, at=now, reason=_LATE)


_LATE: Final = "Not everybody agreed in time; nothing has changed."


def _consent(transfer: TenantTransfer, party: Party, actor: Actor, *, at: datetime, note: str | None) -> None:
    given = {"by": actor.label, "at": at.isoformat(), "note": note, "asked": transfer.asked_by == actor.label}
    transfer.consents = {**transfer.consents, party: given}


def _refuse_over(transfer: TenantTransfer, platform: Platform) -> None:
    if transfer.state is not TransferState.REQUESTED:
        raise TransferOver(transfer.id, transfer.state)
    if transfer.expires_at <= platform.clock.now():
        raise TransferOver(transfer.id, TransferState.EXPIRED, transfer.expires_at)


def _close(
    session: AsyncSession, transfer: TenantTransfer, tenant: Tenant, on: TransferEvent, *, actor: Actor, at: datetime, reason: str | None
) -> None:
    transfer.move(on, at=at, reason=reason)
    action = f"tenant.transfer_{transfer.state.value}"
    audit.record(session, actor, action, at=at, tenant_id=tenant.id, transfer=str(transfer.id), reason=reason)


async def _carry_out(session: AsyncSession, platform: Platform, transfer: TenantTransfer, tenant: Tenant, *, actor: Actor) -> None:
    now = platform.clock.now()
    refuse_going(tenant)
    present = await customer_of(session, tenant.id)
    if (present.reseller_id if present else None) != transfer.giving_id:
        raise TransferOvertaken(transfer.id)
    if present is not None:
        present.until = now
        await session.flush()
        over = update(TenantGrant).where(TenantGrant.tenant_id == tenant.id, TenantGrant.reseller_id == present.reseller_id)
        await session.execute(over.where(TenantGrant.ended_at.is_(None)).values(ended_at=now))
    if transfer.taking_id is not None:
        await opening.take_in(session, transfer.taking_id, tenant, payer=transfer.payer, actor=actor, at=now)
    await _hand_over_agreement(session, transfer, tenant, actor=actor, platform=platform)
    _close(session, transfer, tenant, TransferEvent.ALL_AGREED, actor=actor, at=now, reason=None)


async def _hand_over_agreement(
    session: AsyncSession, transfer: TenantTransfer, tenant: Tenant, *, actor: Actor, platform: Platform
) -> None:
    """Who paid for the clinic goes on to the end of what is paid for; whoever pays afterwards agrees anew, with a card of their own."""
    agreement = await agreements.of(session, tenant.id, lock=True)
    if agreement is None or agreement.status.over:
        return
    if agreement.payer is PayerKind.CLINIC and transfer.payer is Payer.CLINIC:
        agreement.reseller_id = transfer.taking_id
        return
    agreement.cancel_asked = True
    await agreements.begin(session, tenant, actor=actor, at=platform.clock.now())


async def _tell(session: AsyncSession, platform: Platform, tenant: Tenant, transfer: TenantTransfer) -> None:
    """A mail to everybody whose agreement is still missing."""
    names: dict[UUID | None, str] = {None: DIRECT}
    for one in (transfer.giving_id, transfer.taking_id):
        if one is not None:
            names[one] = (await session.get_one(Reseller, one)).name
    locale = parse((await revisions.desired(session, tenant)).document).clinic.locale
    to: list[str] = []
    for party in parties(transfer):
        if party in transfer.consents:
            continue
        if party == "clinic":
            to.append(tenant.owner_email)
        else:
            reseller_id = transfer.giving_id if party == "giving" else transfer.taking_id
            admins = select(Account.email).where(
                Account.reseller_id == reseller_id, Account.role == Role.ADMIN, Account.disabled_at.is_(None)
            )
            to += list(await session.scalars(admins.order_by(Account.email).limit(20)))
    for address in to:
        await outbox.send(
            session,
            key=f"transfer-{transfer.id}-{address}"[:200],
            to=address,
            template="transfer_asked",
            locale=locale,
            at=platform.clock.now(),
            tenant_id=tenant.id,
            clinic=tenant.name,
            giving=names[transfer.giving_id],
            taking=names[transfer.taking_id],
            until=transfer.expires_at.date(),
            page=f"{platform.settings.public_url.rstrip('/')}/account/transfers/{transfer.id}",
            transfer=str(transfer.id),
        )
