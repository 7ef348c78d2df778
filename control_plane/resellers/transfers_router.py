"""Transfers, by two doors: the clinic's (/v1/tenants/{slug}/transfers) and a reseller's (/v1/resellers/{reseller_id}/transfers)."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.pagination import Wanted, WantedPage, page
from control_plane.resellers import transfers
from control_plane.resellers.belonging import customer_of
from control_plane.resellers.errors import NotTheirTenant
from control_plane.resellers.models import TenantTransfer
from control_plane.resellers.router import OwnReseller
from control_plane.resellers.schemas import Answer, NewHandover, NewTransfer, TransferList, TransferOut
from control_plane.resellers.transfers import Concerned
from control_plane.tenants import service as tenants
from control_plane.tenants.errors import UnknownTenant
from control_plane.tenants.models import Tenant
from control_plane.tenants.router import KnownTenant, LockedTenant

clinic = APIRouter(prefix="/tenants/{slug}/transfers", tags=["resellers"], route_class=PlatformRoute)
reseller_door = APIRouter(prefix="/resellers/{reseller_id}/transfers", tags=["resellers"], route_class=PlatformRoute)
GRANT = Requires("tenants:grant")
READ, WRITE = Requires("resellers:read", own=True), Requires("resellers:write", own=True)


async def of_clinic(transfer_id: UUID, tenant: LockedTenant, session: Session) -> Concerned:
    return await transfers.find(session, transfer_id, tenant_id=tenant.id), tenant


async def of_reseller(transfer_id: UUID, reseller: OwnReseller, session: Session) -> Concerned:
    """Locked in the same order as by the other door: the tenant first."""
    found = await transfers.find(session, transfer_id, reseller_id=reseller.id, lock=False)
    tenant = await session.get_one(Tenant, found.tenant_id, with_for_update=True, populate_existing=True)
    return await transfers.find(session, transfer_id, reseller_id=reseller.id), tenant


OfClinic = Annotated[Concerned, Depends(of_clinic)]
OfReseller = Annotated[Concerned, Depends(of_reseller)]


def shown(concerned: Concerned) -> TransferOut:
    transfer, tenant = concerned
    return TransferOut.of(transfer, tenant, list(transfers.parties(transfer)))


async def listed(session: AsyncSession, query: Select[TenantTransfer], wanted: Wanted) -> TransferList:
    found = await page(session, query, TenantTransfer.number, wanted=wanted, descending=True)
    ids = {one.tenant_id for one in found.items}
    named = {tenant.id: tenant for tenant in await session.scalars(select(Tenant).where(Tenant.id.in_(ids)))}
    return TransferList(items=[shown((one, named[one.tenant_id])) for one in found.items], next=found.next)


@clinic.post("", status_code=201, dependencies=[GRANT])
async def ask_transfer(
    tenant: LockedTenant, body: NewTransfer, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> TransferOut:
    """Ask that this clinic goes to another reseller, or becomes a direct customer. Nothing changes until everybody concerned agreed."""
    return shown((await transfers.ask(session, platform, tenant, body.to, body.payer, actor=actor), tenant))


@clinic.get("", dependencies=[Requires("tenants:read")])
async def list_transfers(tenant: KnownTenant, session: Session, wanted: WantedPage) -> TransferList:
    return await listed(session, select(TenantTransfer).where(TenantTransfer.tenant_id == tenant.id), wanted)


@clinic.post("/{transfer_id}/accept", dependencies=[GRANT])
async def accept_transfer(concerned: OfClinic, body: Answer, session: Session, actor: CurrentActor, platform: ThisPlatform) -> TransferOut:
    """Agree for the clinic. Operators name the `party` they answer for, and why."""
    await transfers.accept(session, platform, concerned, party=body.party, note=body.note, actor=actor)
    return shown(concerned)


@clinic.post("/{transfer_id}/decline", dependencies=[GRANT])
async def decline_transfer(concerned: OfClinic, body: Answer, session: Session, actor: CurrentActor, platform: ThisPlatform) -> TransferOut:
    """Say no for the clinic, which ends it."""
    await transfers.decline(session, platform, concerned, party=body.party, note=body.note, actor=actor)
    return shown(concerned)


@clinic.delete("/{transfer_id}", dependencies=[GRANT])
async def withdraw_transfer(concerned: OfClinic, session: Session, actor: CurrentActor, platform: ThisPlatform) -> TransferOut:
    """Take back what the clinic asked for."""
    await transfers.withdraw(session, platform, *concerned, actor=actor)
    return shown(concerned)


@reseller_door.post("", status_code=201, dependencies=[WRITE])
async def hand_over(reseller: OwnReseller, body: NewHandover, session: Session, actor: CurrentActor, platform: ThisPlatform) -> TransferOut:
    """Ask that a customer goes to another reseller, or becomes a direct one; also where the clinic ended this reseller's access."""
    try:
        tenant = await tenants.find(session, body.tenant, lock=True)
    except UnknownTenant as error:
        raise NotTheirTenant(body.tenant) from error
    customer = await customer_of(session, tenant.id)
    if customer is None or customer.reseller_id != reseller.id:
        raise NotTheirTenant(body.tenant)
    return shown((await transfers.ask(session, platform, tenant, body.to, body.payer, actor=actor), tenant))


@reseller_door.get("", dependencies=[READ])
async def list_own_transfers(reseller: OwnReseller, session: Session, wanted: WantedPage) -> TransferList:
    """Those that take a tenant from this reseller, or bring it one."""
    concerned = (TenantTransfer.giving_id == reseller.id) | (TenantTransfer.taking_id == reseller.id)
    return await listed(session, select(TenantTransfer).where(concerned), wanted)


@reseller_door.post("/{transfer_id}/accept", dependencies=[WRITE])
async def accept_own_transfer(
    concerned: OfReseller, body: Answer, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> TransferOut:
    """Agree for the reseller. Taking a tenant over counts against its ceilings."""
    await transfers.accept(session, platform, concerned, party=body.party, note=body.note, actor=actor)
    return shown(concerned)


@reseller_door.post("/{transfer_id}/decline", dependencies=[WRITE])
async def decline_own_transfer(
    concerned: OfReseller, body: Answer, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> TransferOut:
    await transfers.decline(session, platform, concerned, party=body.party, note=body.note, actor=actor)
    return shown(concerned)


@reseller_door.delete("/{transfer_id}", dependencies=[WRITE])
async def withdraw_own_transfer(concerned: OfReseller, session: Session, actor: CurrentActor, platform: ThisPlatform) -> TransferOut:
    """Take back what the reseller asked for."""
    await transfers.withdraw(session, platform, *concerned, actor=actor)
    return shown(concerned)
