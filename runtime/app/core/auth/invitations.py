"""The owner's way in: the platform registers an invitation, mails a link, and the link sets the first password, once.

Only the newest invitation's link opens anything: its serial is stored, an older one is refused. The platform's key comes from the
revision this runtime adopted.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, String, column, func, select, table, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from dentalpin_kit import tokens

from .errors import (
    AddressTaken,
    NoOwner,
    NoPlatform,
    OwnerHasPassword,
    WelcomeExpired,
    WelcomeOutdated,
    WelcomeUnreadable,
    WelcomeUsed,
)
from .models import BurnedToken, User
from .passwords import Passwords, check_strength

INVITATION = "invitation"
"""Key of the stored invitation in `core_setting`: {"serial", "email"}."""

_revisions = table("core_revision", column("generation", BigInteger), column("document", JSONB))
_settings = table("core_setting", column("key", String), column("value", JSONB), column("updated_at", DateTime))


@dataclass(frozen=True, slots=True)
class Welcome:
    """An invitation link that opens: whom it is for and what is burned when it is used."""

    user_id: UUID
    email: str
    jti: str
    expires_at: datetime


async def verify_platform_token(session: AsyncSession, token: str, purpose: str) -> tokens.Token:
    """The token, if this tenant's platform signed it for this purpose. Raises NoPlatform, TokenRefused."""
    document = await session.scalar(select(_revisions.c.document).order_by(_revisions.c.generation.desc()).limit(1))
    if document is None:
        raise NoPlatform
    return tokens.verify(token, document["platform"]["public_key"], audience=document["tenant"]["id"], purpose=purpose)


async def register(session: AsyncSession, *, email: str, serial: str) -> None:
    """Accept the link with this serial from now on and no other; the owner's address is corrected if it changed.

    Raises OwnerHasPassword, AddressTaken, NoOwner.
    """
    address = email.strip().lower()
    owner = (await session.execute(select(User.id, User.email, User.password_hash).where(User.is_owner).with_for_update(read=True))).first()
    if owner is None:
        raise NoOwner
    if owner.password_hash is not None:
        raise OwnerHasPassword
    if owner.email != address:
        if await session.scalar(select(User.id).where(User.email == address)) is not None:
            raise AddressTaken
        await session.execute(update(User).where(User.id == owner.id).values(email=address))
    value = {"serial": serial, "email": address}
    await session.execute(
        insert(_settings)
        .values(key=INVITATION, value=value)
        .on_conflict_do_update(index_elements=["key"], set_={"value": value, "updated_at": func.now()})
    )


async def open_welcome(session: AsyncSession, token: str) -> Welcome:
    """What a link opens; looking at it changes nothing, since mail scanners follow links too.

    Raises NoPlatform, WelcomeExpired, WelcomeUnreadable, WelcomeUsed, WelcomeOutdated, OwnerHasPassword, NoOwner.
    """
    try:
        verified = await verify_platform_token(session, token, "welcome")
    except tokens.TokenExpired as error:
        raise WelcomeExpired from error
    except tokens.TokenRefused as error:
        raise WelcomeUnreadable from error
    if await session.scalar(select(BurnedToken.jti).where(BurnedToken.jti == verified.jti)) is not None:
        raise WelcomeUsed
    owner = (await session.execute(select(User.id, User.email, User.password_hash).where(User.is_owner))).first()
    if owner is None:
        raise NoOwner
    if owner.password_hash is not None:
        raise OwnerHasPassword
    invitation = await session.scalar(select(_settings.c.value).where(_settings.c.key == INVITATION))
    serial = str(verified.claims.get("serial"))
    if invitation is None or invitation["serial"] != serial or invitation["email"] != str(verified.subject).lower():
        raise WelcomeOutdated
    return Welcome(owner.id, owner.email, verified.jti, verified.expires_at)


async def set_first_password(session: AsyncSession, passwords: Passwords, welcome: Welcome, password: str) -> None:
    """Use the link: burn it and set the owner's password; of two at once one wins.

    Raises PasswordTooWeak, WelcomeUsed, OwnerHasPassword.
    """
    check_strength(password, welcome.email)
    hashed = await passwords.hash(password)
    await burn(session, welcome.jti, welcome.expires_at)
    changed = await session.execute(
        update(User)
        .where(User.id == welcome.user_id, User.password_hash.is_(None))
        .values(password_hash=hashed, password_set_at=func.now())
        .returning(User.id)
    )
    if changed.one_or_none() is None:
        raise OwnerHasPassword


async def burn(session: AsyncSession, jti: str, expires_at: datetime) -> None:
    """Accept a platform token's id this once. Raises WelcomeUsed."""
    burned = await session.execute(
        insert(BurnedToken).values(jti=jti, expires_at=expires_at).on_conflict_do_nothing().returning(BurnedToken.jti)
    )
    if burned.one_or_none() is None:
        raise WelcomeUsed
