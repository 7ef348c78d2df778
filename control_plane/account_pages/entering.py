"""Signing in by a mailed link. Who reads the mail of a clinic's owner is that owner: the account is made when the link is used first."""

from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access import accounts, signing_in, throttle
from control_plane.access.actors import Actor
from control_plane.access.errors import SecondFactorNeeded, SignInRefused, TooManyAttempts
from control_plane.access.models import Account, TenantGrant
from control_plane.access.scopes import Kind, Role
from control_plane.access.signing_in import SignedIn
from control_plane.account_pages.errors import LinkOver
from control_plane.audit import service as audit
from control_plane.mail import outbox
from control_plane.platform import Platform
from control_plane.tenants.models import SOMEBODYS_OWN, Tenant
from control_plane.tenants.states import TenantState
from dentalpin_kit.tokens import TokenRefused, sign, verify

AUDIENCE: Final = "platform"
PURPOSE: Final = "account-link"
VALID_FOR: Final = timedelta(minutes=30)
_ONCE: Final = throttle.Limit("account-link", 1, VALID_FOR + timedelta(minutes=5), forgiven=False)
"""Using a link is counted like an attempt: a second time is one too many, whichever process is asked."""
_ASKING: Final = throttle.Limit("account-mail", 5, timedelta(minutes=15), forgiven=False)


async def mail_link(platform: Platform, email: str, *, peer: str, locale: str) -> None:
    """Mail a link to whoever owns a clinic under this address. Nothing tells the asker whether there is one. Raises TooManyAttempts."""
    now = platform.clock.now()
    address = email.strip().lower()
    near = throttle.neighbourhood(peer)
    buckets = [throttle.bucket(_ASKING, address), throttle.bucket(throttle.PEER, "account-mail", near)]
    await throttle.attempt(platform.database, buckets, at=now)
    async with platform.database.transaction() as session:
        account = await session.scalar(select(Account).where(Account.email == address))
        if account is not None and (account.kind is not Kind.OWNER or account.disabled_at is not None):
            return
        if account is None and not await _owned(session, address):
            return
        token = sign(platform.key, audience=AUDIENCE, purpose=PURPOSE, lifetime=VALID_FOR, subject=address, now=now)
        link = f"{platform.settings.public_url.rstrip('/')}/account/enter?{urlencode({'token': token})}"
        minutes = int(VALID_FOR.total_seconds() // 60)
        key = f"account-link:{token[-40:]}"
        await outbox.send(session, key=key, to=address, template="account_link", locale=locale, at=now, link=link, minutes=minutes)


async def enter(platform: Platform, token: str, *, code: str | None, peer: str) -> SignedIn:
    """Sign in by a link, once; with the authenticator app's code, where there is one.

    Raises LinkOver, SecondFactorNeeded, SignInRefused, TooManyAttempts. A wrong code does not use the link up.
    """
    now = platform.clock.now()
    tried = throttle.bucket(throttle.TOKEN, throttle.neighbourhood(peer))
    await throttle.attempt(platform.database, [tried], at=now)
    try:
        read = verify(token, platform.key.public, audience=AUDIENCE, purpose=PURPOSE, now=now)
    except TokenRefused as error:
        raise LinkOver from error
    address = read.subject or ""
    await _second_factor(platform, address, code)
    try:
        await throttle.attempt(platform.database, [throttle.bucket(_ONCE, read.jti)], at=now)
    except TooManyAttempts as error:
        raise LinkOver from error
    async with platform.database.transaction() as session:
        account = await session.scalar(select(Account).where(Account.email == address))
        if account is None:
            name = address.partition("@")[0]
            account = await accounts.create_account(
                session, kind=Kind.OWNER, role=Role.OWNER, email=address, name=name, reseller_id=None, at=now
            )
            made: dict[str, Any] = {"account": str(account.id), "email": address, "role": account.role.value}
            audit.record(session, person(account), "account.created", at=now, **made)
        if account.kind is not Kind.OWNER or account.disabled_at is not None:
            raise LinkOver
        await adopt(session, account, at=now)
        signed_in = signing_in.begin_session(session, account, whole=True, by_mail=True, at=now)
        audit.record(session, person(account), "session.begun", at=now, by="link")
    return signed_in


async def _second_factor(platform: Platform, address: str, code: str | None) -> None:
    """Raises SecondFactorNeeded, SignInRefused, TooManyAttempts."""
    now = platform.clock.now()
    async with platform.database.transaction() as session:
        account = await session.scalar(select(Account).where(Account.email == address))
    if account is None or account.second_factor_since is None:
        return
    if not code:
        raise SecondFactorNeeded
    await throttle.attempt(platform.database, [throttle.bucket(throttle.CODE, str(account.id))], at=now)
    async with platform.database.transaction() as session:
        if not await signing_in.accept_code(session, platform.vault, account.id, code, at=now):
            raise SignInRefused


async def adopt(session: AsyncSession, account: Account, *, at: datetime) -> None:
    """Grant the account the clinics it owns by its address. A grant that was ended stays ended."""
    if account.kind is not Kind.OWNER:
        return
    for tenant in await _owned(session, account.email):
        known = select(TenantGrant.id).where(TenantGrant.tenant_id == tenant.id, TenantGrant.account_id == account.id)
        if await session.scalar(known.limit(1)) is None:
            await accounts.grant(session, tenant, account_id=account.id, at=at)
            why: dict[str, Any] = {"account_id": str(account.id), "by": "the owner's mail"}
            audit.record(session, person(account), "tenant.access_granted", at=at, tenant_id=tenant.id, **why)


async def _owned(session: AsyncSession, address: str) -> list[Tenant]:
    """Clinics whose owner reads mail under this address; copies and demonstrations belong to whoever asked for them."""
    mine = (func.lower(Tenant.owner_email) == address, Tenant.state != TenantState.DELETED, *SOMEBODYS_OWN)
    return list(await session.scalars(select(Tenant).where(*mine).order_by(Tenant.slug).with_for_update()))


def person(account: Account) -> Actor:
    return Actor(account.kind.value, account.email, account.role.value, account_id=account.id)
