"""The identity provider over HTTP: its description, its keys, and the exchange of a code. Nothing is redirected, and answers are short."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx2
from pydantic import BaseModel, ValidationError

from control_plane.access.oidc.errors import OidcAway, OidcReturnRefused

SECONDS: Final = 10.0
LONGEST: Final = 256 * 1024
KNOWN_FOR: Final = timedelta(hours=1)
KEYS_AGAIN: Final = timedelta(minutes=1)
"""How soon keys are read again for a token signed with an unknown one: a provider changes them, and anybody can send a made-up name."""


class Description(BaseModel):
    """What the provider says of itself (OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]


@dataclass
class _Read:
    value: Any
    at: datetime


class Provider:
    """One provider and this client of it. `issuer` is https, or http on loopback."""

    def __init__(self, issuer: str, client_id: str, secret: str | None) -> None:
        self.issuer, self.client_id, self._secret = issuer, client_id, secret
        self._description: _Read | None = None
        self._keys: _Read | None = None

    async def authorization_url(self, parameters: Mapping[str, str], *, at: datetime) -> str:
        """Raises OidcAway."""
        endpoint = (await self._describe(at)).authorization_endpoint
        given = {"response_type": "code", "client_id": self.client_id, "scope": "openid email", **parameters}
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(given)}"

    async def exchange(self, code: str, *, verifier: str, redirect_uri: str, at: datetime) -> str:
        """The ID token for a code. Raises OidcAway, OidcReturnRefused."""
        described = await self._describe(at)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        basic = None
        if self._secret is not None and "client_secret_basic" in described.token_endpoint_auth_methods_supported:
            basic = (self.client_id, self._secret)
        else:
            form |= {"client_id": self.client_id} | ({"client_secret": self._secret} if self._secret is not None else {})
        status, answer = await self._ask("POST", described.token_endpoint, form=form, basic=basic)
        token = answer.get("id_token")
        if status in (400, 401):
            raise OidcReturnRefused(f"the identity provider does not take its code ({str(answer.get('error', status))[:60]})")
        if status != 200 or not isinstance(token, str):
            raise OidcAway(f"it answers {status} without a token")
        return token

    async def keys(self, *, at: datetime, again: bool = False) -> Mapping[str, Any]:
        """Its JWKS; `again` reads it anew, unless that was done just now. Raises OidcAway."""
        known = self._keys
        if known is None or at - known.at >= (KEYS_AGAIN if again else KNOWN_FOR):
            status, answer = await self._ask("GET", (await self._describe(at)).jwks_uri)
            if status != 200:
                raise OidcAway(f"its keys are answered with {status}")
            known = self._keys = _Read(answer, at)
        keys: Mapping[str, Any] = known.value
        return keys

    async def _describe(self, at: datetime) -> Description:
        if self._description is None or at - self._description.at >= KNOWN_FOR:
            status, answer = await self._ask("GET", f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            try:
                described = Description.model_validate(answer)
            except ValidationError as error:
                raise OidcAway(f"its description cannot be read ({status})") from error
            if described.issuer != self.issuer:
                raise OidcAway("its description is of another issuer; compare DENTALPIN_OIDC_ISSUER, also its last slash")
            if self.issuer.startswith("https://") and not all(
                url.startswith("https://") for url in (described.authorization_endpoint, described.token_endpoint, described.jwks_uri)
            ):
                raise OidcAway("its description names addresses that are not https")
            self._description = _Read(described, at)
        description: Description = self._description.value
        return description

    async def _ask(
        self, method: str, url: str, *, form: Mapping[str, str] | None = None, basic: tuple[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        body = bytearray()
        try:
            async with (
                httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=SECONDS) as client,
                client.stream(method, url, data=form, auth=basic, headers={"Accept": "application/json"}) as response,
            ):
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > LONGEST:
                        raise OidcAway("its answer is too long")
            found = json.loads(bytes(body) or b"{}")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise OidcAway(f"{type(error).__name__} at {urlsplit(url).hostname}") from error
        except ValueError as error:
            raise OidcAway("its answer is no JSON") from error
        return response.status_code, found if isinstance(found, dict) else {}
