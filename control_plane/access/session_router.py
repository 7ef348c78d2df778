"""/v1/session: signing in and out, one's own password and second factor.

What is reached without being signed in stands in `entrances`: it counts attempts, and stores no answers.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import update

from control_plane.access import accounts, recovery, signing_in, throttle
from control_plane.access.actors import Actor
from control_plane.access.errors import NeedsASession
from control_plane.access.models import Account, AccountSession
from control_plane.access.requires import Requires
from control_plane.access.routing import COOKIE, CurrentActor, PlatformRoute, Session, ThisPlatform, platform_of, refuse_foreign, show_once
from control_plane.access.schemas import (
    Code,
    Credentials,
    EnrolmentOut,
    NewPassword,
    PasswordChange,
    RecoveryCodesOut,
    SecondFactorOut,
    WhoOut,
)
from control_plane.access.scopes import ROLES
from control_plane.access.signing_in import LASTS, SignedIn
from control_plane.audit import service as audit
from control_plane.platform import Platform
from dentalpin_kit.peers import client_of

entrances = APIRouter(prefix="/session", tags=["session"])
router = APIRouter(prefix="/session", tags=["session"], route_class=PlatformRoute, dependencies=[Requires(None, own=True, enrolling=True)])


def peer_of(request: Request) -> str:
    """The other end of the connection. What a header says of it can be forged, and is read only where a trusted proxy wrote it."""
    peer = request.client.host if request.client else "unknown"
    return client_of(peer, request.headers.getlist("x-forwarded-for"), platform_of(request).settings.trusted_proxies)


def person(account: Account) -> Actor:
    return Actor(account.kind.value, account.email, account.role.value, account_id=account.id)


def give_cookie(response: Response, platform: Platform, signed_in: SignedIn) -> WhoOut:
    response.set_cookie(
        COOKIE,
        signed_in.token,
        max_age=int(LASTS.total_seconds()),
        path="/v1",
        secure=platform.settings.public_url.startswith("https://"),
        httponly=True,
        samesite="strict",
    )
    account = signed_in.account
    scopes = ROLES[account.kind, account.role] if signed_in.session.whole else frozenset[str]()
    return WhoOut.of(Actor(account.kind.value, account.email, account.role.value, scopes, account.id, session_id=signed_in.session.id))


@entrances.post("", status_code=201)
async def sign_in(body: Credentials, request: Request, response: Response, platform: ThisPlatform) -> WhoOut:
    """Sign in with password and, where there is one, the code of the authenticator app. The session is a cookie of twelve hours."""
    refuse_foreign(request, platform)
    peer = peer_of(request)
    signed_in = await signing_in.sign_in(platform, platform.passwords, email=body.email, password=body.password, code=body.code, peer=peer)
    async with platform.database.transaction() as session:
        audit.record(session, person(signed_in.account), "session.begun", at=platform.clock.now(), by="password")
    return give_cookie(response, platform, signed_in)


@entrances.post("/password", status_code=204)
async def set_password(body: NewPassword, request: Request, platform: ThisPlatform) -> None:
    """Use an invitation: set the account's password. Every session of it ends."""
    refuse_foreign(request, platform)
    now = platform.clock.now()
    tried = [throttle.bucket(throttle.TOKEN, throttle.neighbourhood(peer_of(request)))]
    await throttle.attempt(platform.database, tried, at=now)
    async with platform.database.transaction() as session:
        account = await accounts.set_password(
            session, platform.key, platform.passwords, token=body.invitation, password=body.password, at=now
        )
        audit.record(session, person(account), "account.password_set", at=now)


async def in_person(actor: CurrentActor) -> Actor:
    if actor.session_id is None:
        raise NeedsASession
    return actor


InPerson = Annotated[Actor, Depends(in_person)]


@router.get("")
async def who_am_i(actor: CurrentActor) -> WhoOut:
    """Who the platform takes you for, and what you may do."""
    return WhoOut.of(actor)


@router.delete("", status_code=204)
async def sign_out(actor: InPerson, session: Session, platform: ThisPlatform, response: Response) -> None:
    now = platform.clock.now()
    await session.execute(update(AccountSession).where(AccountSession.id == actor.session_id).values(ended_at=now))
    audit.record(session, actor, "session.ended", at=now)
    response.delete_cookie(COOKIE, path="/v1")


@router.post("/second-factor", status_code=201)
async def begin_second_factor(request: Request, actor: InPerson, session: Session, platform: ThisPlatform) -> EnrolmentOut:
    """A secret for an authenticator app. It counts once a code of it was confirmed."""
    show_once(request, "secret", "uri")
    assert actor.account_id is not None
    begun = await signing_in.begin_second_factor(session, platform.vault, actor.account_id)
    return EnrolmentOut(secret=begun.secret, uri=begun.uri)


@router.post("/second-factor/confirm", status_code=201)
async def confirm_second_factor(
    body: Code, request: Request, actor: InPerson, session: Session, platform: ThisPlatform
) -> RecoveryCodesOut:
    """Put the second factor in force; this session may then do all that your role may, every other one ends."""
    show_once(request, "recovery_codes")
    assert actor.account_id is not None
    assert actor.session_id is not None
    codes = await signing_in.confirm_second_factor(platform, session, actor.account_id, actor.session_id, body.code)
    audit.record(session, actor, "account.second_factor_set", at=platform.clock.now())
    return RecoveryCodesOut(recovery_codes=codes)


@router.get("/second-factor")
async def get_second_factor(actor: InPerson, session: Session) -> SecondFactorOut:
    """Whether you have one, and how many recovery codes are left."""
    assert actor.account_id is not None
    account = await accounts.get(session, actor.account_id)
    return SecondFactorOut(since=account.second_factor_since, recovery_codes_left=await recovery.left(session, account.id))


@router.post("/second-factor/recovery-codes", status_code=201)
async def renew_recovery_codes(body: Code, request: Request, actor: InPerson, session: Session, platform: ThisPlatform) -> RecoveryCodesOut:
    """New recovery codes, for a code of the app or one of the old; the old ones stop working."""
    show_once(request, "recovery_codes")
    assert actor.account_id is not None
    codes = await signing_in.renew_recovery_codes(platform, session, actor.account_id, body.code)
    audit.record(session, actor, "account.recovery_codes_renewed", at=platform.clock.now())
    return RecoveryCodesOut(recovery_codes=codes)


@router.put("/password", status_code=204)
async def change_password(body: PasswordChange, actor: InPerson, session: Session, platform: ThisPlatform) -> None:
    """Set another password, for whoever knows the present one; you are signed out everywhere else."""
    assert actor.account_id is not None
    assert actor.session_id is not None
    await signing_in.change_password(platform, session, actor.account_id, actor.session_id, current=body.current, new=body.new)
    audit.record(session, actor, "account.password_changed", at=platform.clock.now())
