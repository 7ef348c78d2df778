"""Beginning a sign-in, and finishing it once: what the browser brings back has to fit what was sealed when it left."""

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.models import Account, OidcSignIn
from control_plane.access.oidc.errors import OidcNoAccount, OidcNotConfigured, OidcReturnRefused, OidcWithoutSecondFactor
from control_plane.access.oidc.provider import Provider
from control_plane.access.oidc.tokens import Expected, KeyUnknown, Person, read
from control_plane.access.scopes import Kind
from control_plane.access.service import digest
from control_plane.access.session_router import person
from control_plane.access.signing_in import SignedIn, begin_session
from control_plane.audit import service as audit
from control_plane.platform import Platform
from control_plane.vault.vault import place

RETURNS_WITHIN: Final = timedelta(minutes=10)
RETURN: Final = "/v1/session/oidc/return"


@dataclass(frozen=True, slots=True)
class Begun:
    url: str
    state: str
    """Kept by the browser that left, so that nobody is signed in by following somebody else's link."""


async def begin(platform: Platform) -> Begun:
    """Raises OidcNotConfigured, OidcAway."""
    provider, now = _provider(platform), platform.clock.now()
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    url = await provider.authorization_url(
        {
            "redirect_uri": redirect_uri(platform),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        },
        at=now,
    )
    kept = json.dumps({"nonce": nonce, "verifier": verifier}).encode()
    async with platform.database.transaction() as session:
        sealed = platform.vault.seal(kept, _place(digest(state)))
        session.add(OidcSignIn(state=digest(state), sealed=sealed, expires_at=now + RETURNS_WITHIN))
    return Begun(url, state)


async def finish(platform: Platform, *, state: str, code: str, browser: str | None) -> SignedIn:
    """Use what the provider sent the browser back with; a state is good once, also where the rest fails.

    Raises OidcNotConfigured, OidcReturnRefused, OidcAway, IdTokenRefused, OidcWithoutSecondFactor, OidcNoAccount.
    """
    provider, now = _provider(platform), platform.clock.now()
    if browser is None or not hmac.compare_digest(browser.encode(), state.encode()):
        raise OidcReturnRefused("another browser began it, or it does not keep cookies")
    async with platform.database.transaction() as session:
        query = delete(OidcSignIn).where(OidcSignIn.state == digest(state), OidcSignIn.expires_at > now).returning(OidcSignIn.sealed)
        sealed = await session.scalar(query)
    if sealed is None:
        raise OidcReturnRefused("it was finished before, or more than ten minutes passed")
    kept = json.loads(platform.vault.open(sealed, _place(digest(state))))
    token = await provider.exchange(code, verifier=kept["verifier"], redirect_uri=redirect_uri(platform), at=now)
    expected = Expected(provider.issuer, provider.client_id, kept["nonce"])
    try:
        found = read(token, await provider.keys(at=now), expected, at=now)
    except KeyUnknown:
        found = read(token, await provider.keys(at=now, again=True), expected, at=now)
    if not found.second_factor and platform.settings.oidc_second_factor != "always":
        raise OidcWithoutSecondFactor
    async with platform.database.transaction() as session:
        account = await _account_of(session, found, at=now)
        signed_in = begin_session(session, account, whole=True, at=now)
        audit.record(session, person(account), "session.begun", at=now, by="oidc", issuer=found.issuer)
    return signed_in


def redirect_uri(platform: Platform) -> str:
    return platform.settings.public_url.rstrip("/") + RETURN


async def _account_of(session: AsyncSession, found: Person, *, at: datetime) -> Account:
    """The operator whose this identity is; the first time, the one whose address the provider has checked. Raises OidcNoAccount."""
    known = select(Account).where(Account.oidc_issuer == found.issuer, Account.oidc_subject == found.subject)
    account = await session.scalar(known)
    if account is None and found.email is not None:
        unlinked = select(Account).where(Account.email == found.email, Account.kind == Kind.OPERATOR, Account.oidc_subject.is_(None))
        account = await session.scalar(unlinked.with_for_update())
        if account is not None and account.disabled_at is None:
            account.oidc_issuer, account.oidc_subject = found.issuer, found.subject
            audit.record(session, person(account), "account.oidc_linked", at=at, account=str(account.id), issuer=found.issuer)
    if account is None or account.kind is not Kind.OPERATOR or account.disabled_at is not None:
        raise OidcNoAccount
    return account


def _provider(platform: Platform) -> Provider:
    if platform.oidc is None:
        raise OidcNotConfigured
    return platform.oidc


def _place(state: str) -> str:
    return place("oidc_sign_in", "sealed", state)
