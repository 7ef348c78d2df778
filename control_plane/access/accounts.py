"""Accounts: who there is, whose tenant is whose, and the invitation by which somebody sets a password."""

import hashlib
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.access.errors import (
    AccountExists,
    InvitationOver,
    ResellerExists,
    RoleUnfit,
    UnknownAccount,
    UnknownGrant,
    UnknownReseller,
)
from control_plane.access.models import Account, AccountSession, Reseller, TenantGrant
from control_plane.access.passwords import Passwords, check_strength
from control_plane.access.scopes import ROLES, Kind, Role
from control_plane.audit import service as audit
from control_plane.tenants.models import Tenant
from dentalpin_kit.tokens import SigningKey, TokenRefused, sign, verify

INVITED_FOR: Final = timedelta(days=7)
AUDIENCE: Final = "platform"
PURPOSE: Final = "account"


async def create_account(
    session: AsyncSession, *, kind: Kind, role: Role, email: str, name: str, reseller_id: UUID | None, at: datetime
) -> Account:
    """Raises RoleUnfit, UnknownReseller, AccountExists."""
    if (kind, role) not in ROLES or (kind is Kind.RESELLER) != (reseller_id is not None):
        raise RoleUnfit(kind.value, role.value)
    if reseller_id is not None and await session.get(Reseller, reseller_id) is None:
        raise UnknownReseller(reseller_id)
    account = Account(kind=kind, role=role, email=email.lower(), name=name, reseller_id=reseller_id, second_factor_step=0, created_at=at)
    try:
        async with session.begin_nested():
            session.add(account)
    except IntegrityError as error:
        raise AccountExists(email.lower()) from error
    return account


async def get(session: AsyncSession, account_id: UUID, *, lock: bool = False) -> Account:
    """Raises UnknownAccount."""
    account = await session.get(Account, account_id, with_for_update=lock or None, populate_existing=lock)
    if account is None:
        raise UnknownAccount(account_id)
    return account


async def disable(session: AsyncSession, account: Account, *, at: datetime) -> None:
    """No session and no key of this account is accepted from now on; repeating it changes nothing."""
    account.disabled_at = account.disabled_at or at
    await end_sessions(session, account.id, at=at)


async def end_sessions(session: AsyncSession, account_id: UUID, *, at: datetime, but: UUID | None = None) -> None:
    ended = update(AccountSession).where(AccountSession.account_id == account_id, AccountSession.ended_at.is_(None))
    await session.execute(ended.where(AccountSession.id != but if but else AccountSession.id.is_not(None)).values(ended_at=at))


def invitation(key: SigningKey, account: Account, *, at: datetime) -> str:
    """A token by which this person sets a password; it ends with the password it was made for."""
    claims = {"password": _state(account)}
    return sign(key, audience=AUDIENCE, purpose=PURPOSE, lifetime=INVITED_FOR, subject=str(account.id), claims=claims, now=at)


async def set_password(session: AsyncSession, key: SigningKey, passwords: Passwords, *, token: str, password: str, at: datetime) -> Account:
    """Use an invitation: of two at once one wins, and every session ends. Raises InvitationOver, PasswordTooWeak."""
    try:
        read = verify(token, key.public, audience=AUDIENCE, purpose=PURPOSE, now=at)
        account = await get(session, UUID(read.subject or ""), lock=True)
    except (TokenRefused, ValueError, UnknownAccount) as error:
        raise InvitationOver from error
    if account.disabled_at is not None or read.claims.get("password") != _state(account):
        raise InvitationOver
    check_strength(password, account.email)
    account.password_hash = await passwords.hash(password)
    await end_sessions(session, account.id, at=at)
    return account


def _state(account: Account) -> str:
    return hashlib.sha256((account.password_hash or "none").encode()).hexdigest()[:16]


async def create_reseller(session: AsyncSession, name: str, *, at: datetime) -> Reseller:
    """Raises ResellerExists."""
    reseller = Reseller(name=name, created_at=at)
    try:
        async with session.begin_nested():
            session.add(reseller)
    except IntegrityError as error:
        raise ResellerExists(name) from error
    return reseller


async def grant(
    session: AsyncSession, tenant: Tenant, *, account_id: UUID | None = None, reseller_id: UUID | None = None, at: datetime
) -> TenantGrant:
    """Let an owner's account, or a reseller, see the tenant; the grant in force where they do already. The tenant is locked.

    Raises UnknownAccount, UnknownReseller, RoleUnfit for an account that sees everything or belongs to a reseller.
    """
    if account_id is not None:
        account = await get(session, account_id)
        if account.kind is not Kind.OWNER:
            raise RoleUnfit(account.kind.value, account.role.value)
    elif reseller_id is None or await session.get(Reseller, reseller_id) is None:
        raise UnknownReseller(reseller_id or UUID(int=0))
    whose = TenantGrant.account_id == account_id if account_id else TenantGrant.reseller_id == reseller_id
    known = await session.scalar(select(TenantGrant).where(TenantGrant.tenant_id == tenant.id, whose, TenantGrant.ended_at.is_(None)))
    if known is not None:
        return known
    made = TenantGrant(tenant_id=tenant.id, account_id=account_id, reseller_id=reseller_id if account_id is None else None, granted_at=at)
    session.add(made)
    await session.flush()
    return made


async def grant_to_maker(session: AsyncSession, actor: Actor, tenant: Tenant, *, at: datetime) -> None:
    """What an owner or a reseller's staff opened is theirs."""
    if actor.kind == Kind.OWNER and actor.account_id is not None:
        await grant(session, tenant, account_id=actor.account_id, at=at)
    elif actor.kind == Kind.RESELLER and actor.reseller_id is not None:
        await grant(session, tenant, reseller_id=actor.reseller_id, at=at)


async def owner_corrected(session: AsyncSession, tenant: Tenant, before: str, *, actor: Actor, at: datetime) -> None:
    """Whoever read the mail of the address that was wrong owns nothing here from now on; whoever has an account with the right one does.

    The tenant is locked and has its new address. An actor who corrects their own address away keeps what they have.
    """
    wrong = select(TenantGrant, Account).join(Account, Account.id == TenantGrant.account_id)
    wrong = wrong.where(TenantGrant.tenant_id == tenant.id, TenantGrant.ended_at.is_(None), Account.email == before.lower())
    for held, account in await session.execute(wrong):
        if account.id != actor.account_id:
            held.ended_at = at
            audit.record(session, actor, "tenant.access_ended", at=at, tenant_id=tenant.id, grant=str(held.id), account=str(account.id))
    right = await session.scalar(select(Account).where(Account.email == tenant.owner_email.lower(), Account.kind == Kind.OWNER))
    if right is not None and right.disabled_at is None:
        await grant(session, tenant, account_id=right.id, at=at)
        audit.record(session, actor, "tenant.access_granted", at=at, tenant_id=tenant.id, account_id=str(right.id), by="the owner's mail")


async def end_grant(session: AsyncSession, tenant: Tenant, grant_id: UUID, *, at: datetime) -> TenantGrant:
    """Raises UnknownGrant."""
    in_force = (TenantGrant.id == grant_id, TenantGrant.tenant_id == tenant.id, TenantGrant.ended_at.is_(None))
    found = await session.scalar(select(TenantGrant).where(*in_force).with_for_update())
    if found is None:
        raise UnknownGrant(grant_id)
    found.ended_at = at
    return found
