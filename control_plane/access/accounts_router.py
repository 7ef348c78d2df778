"""/v1/accounts, and whose a tenant is (/v1/tenants/{slug}/access)."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import select

from control_plane.access import accounts, signing_in
from control_plane.access.models import Account, TenantGrant
from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform, show_once
from control_plane.access.schemas import (
    AccountList,
    AccountOut,
    GrantList,
    GrantOut,
    InvitedAccount,
    NewAccount,
    NewGrant,
)
from control_plane.access.scopes import Kind
from control_plane.audit import service as audit
from control_plane.pagination import WantedPage, page
from control_plane.tenants import service as tenants
from control_plane.tenants.models import Tenant

router = APIRouter(tags=["access"], route_class=PlatformRoute)
READ, WRITE, GRANT = Requires("access:read"), Requires("access:write"), Requires("tenants:grant")


async def locked_account(account_id: UUID, session: Session) -> Account:
    return await accounts.get(session, account_id, lock=True)


async def locked_tenant(slug: str, session: Session) -> Tenant:
    return await tenants.find(session, slug, lock=True)


LockedAccount = Annotated[Account, Depends(locked_account)]
LockedTenant = Annotated[Tenant, Depends(locked_tenant)]


@router.post("/accounts", status_code=201, dependencies=[WRITE])
async def create_account(
    body: NewAccount, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> InvitedAccount:
    """An account, and the invitation by which its person sets a password."""
    show_once(request, "invitation")
    now = platform.clock.now()
    account = await accounts.create_account(session, at=now, **body.model_dump())
    audit.record(session, actor, "account.created", at=now, account=str(account.id), email=account.email, role=account.role.value)
    return InvitedAccount.show(account, accounts.invitation(platform.key, account, at=now))


@router.get("/accounts", dependencies=[READ])
async def list_accounts(
    session: Session, wanted: WantedPage, kind: Annotated[Kind | None, Query()] = None, email: str | None = None
) -> AccountList:
    query = select(Account)
    if kind is not None:
        query = query.where(Account.kind == kind)
    if email is not None:
        query = query.where(Account.email == email.lower())
    found = await page(session, query, Account.email, wanted=wanted)
    return AccountList(items=[AccountOut.of(account) for account in found.items], next=found.next)


@router.get("/accounts/{account_id}", dependencies=[READ])
async def get_account(account_id: UUID, session: Session) -> AccountOut:
    return AccountOut.of(await accounts.get(session, account_id))


@router.post("/accounts/{account_id}/invitation", status_code=201, dependencies=[WRITE])
async def invite_again(
    account: LockedAccount, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> InvitedAccount:
    """Another invitation, also for somebody who forgot the password: the password they have works until they set a new one."""
    show_once(request, "invitation")
    now = platform.clock.now()
    audit.record(session, actor, "account.invited", at=now, account=str(account.id))
    return InvitedAccount.show(account, accounts.invitation(platform.key, account, at=now))


@router.delete("/accounts/{account_id}/second-factor", dependencies=[WRITE])
async def take_second_factor(account: LockedAccount, session: Session, actor: CurrentActor, platform: ThisPlatform) -> AccountOut:
    """For somebody who lost the phone. An operator sets up another before doing anything else."""
    now = platform.clock.now()
    await signing_in.take_second_factor(session, account)
    await accounts.end_sessions(session, account.id, at=now)
    audit.record(session, actor, "account.second_factor_taken", at=now, account=str(account.id))
    return AccountOut.of(account)


@router.delete("/accounts/{account_id}/oidc", dependencies=[WRITE])
async def unlink_identity(account: LockedAccount, session: Session, actor: CurrentActor, platform: ThisPlatform) -> AccountOut:
    """Forget whose identity at the provider this account is; every session ends. Who next comes from there with its address is linked."""
    now = platform.clock.now()
    if account.oidc_subject is not None:
        audit.record(session, actor, "account.oidc_unlinked", at=now, account=str(account.id), issuer=account.oidc_issuer)
        account.oidc_issuer, account.oidc_subject = None, None
        await accounts.end_sessions(session, account.id, at=now)
    return AccountOut.of(account)


@router.delete("/accounts/{account_id}", dependencies=[WRITE])
async def disable_account(account: LockedAccount, session: Session, actor: CurrentActor, platform: ThisPlatform) -> AccountOut:
    """None of its sessions and keys is accepted from now on. The account stays, since the audit names it."""
    now = platform.clock.now()
    await accounts.disable(session, account, at=now)
    audit.record(session, actor, "account.disabled", at=now, account=str(account.id), email=account.email)
    return AccountOut.of(account)


@router.get("/tenants/{slug}/access", dependencies=[Requires("tenants:read")])
async def list_grants(slug: str, session: Session) -> GrantList:
    """Whose this tenant is, and was: owners' accounts and resellers. Operators see every tenant."""
    tenant = await tenants.find(session, slug)
    query = select(TenantGrant).where(TenantGrant.tenant_id == tenant.id).order_by(TenantGrant.granted_at, TenantGrant.id)
    return GrantList(items=[GrantOut.of(grant) for grant in await session.scalars(query)])


@router.post("/tenants/{slug}/access", status_code=201, dependencies=[GRANT])
async def grant_access(tenant: LockedTenant, body: NewGrant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> GrantOut:
    """Let an owner's account, or a reseller, see this tenant and work on it as their role may."""
    now = platform.clock.now()
    made = await accounts.grant(session, tenant, account_id=body.account_id, reseller_id=body.reseller_id, at=now)
    audit.record(session, actor, "tenant.access_granted", at=now, tenant_id=tenant.id, **body.model_dump(mode="json"))
    return GrantOut.of(made)


@router.delete("/tenants/{slug}/access/{grant_id}", dependencies=[GRANT])
async def end_access(tenant: LockedTenant, grant_id: UUID, session: Session, actor: CurrentActor, platform: ThisPlatform) -> GrantOut:
    """From now on the tenant is none of theirs."""
    now = platform.clock.now()
    ended = await accounts.end_grant(session, tenant, grant_id, at=now)
    audit.record(session, actor, "tenant.access_ended", at=now, tenant_id=tenant.id, grant=str(grant_id))
    return GrantOut.of(ended)
