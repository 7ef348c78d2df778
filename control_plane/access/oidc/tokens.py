"""Reading an ID token (OpenID Connect Core 1.0, 3.1.3.7). Pure: a token, the provider's keys and what is expected, and nothing it says of
itself is trusted before that. Algorithms are fixed here: signatures of a private key only, so that no public key can pass for a secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from control_plane.access.oidc.errors import IdTokenRefused

ALGORITHMS: Final = ("RS256", "PS256", "ES256")
LEEWAY: Final = timedelta(seconds=60)
LONGEST: Final = 16 * 1024
OLDEST: Final = timedelta(minutes=15)
"""A token issued longer ago belongs to another sign-in, whatever its end says."""
SECOND_FACTORS: Final = frozenset({"mfa", "otp", "hwk", "swk", "pop", "sc", "fpt", "face"})
"""Methods that take more than something one knows (RFC 8176)."""


class KeyUnknown(IdTokenRefused):
    """No key of the set fits the token's: the provider may have a new one."""

    def __init__(self) -> None:
        super().__init__("it is signed with a key the provider does not publish")


@dataclass(frozen=True, slots=True)
class Expected:
    issuer: str
    client_id: str
    nonce: str


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a provider speaks of. `email` only where it says that it checked it."""

    issuer: str
    subject: str
    email: str | None
    second_factor: bool


def read(token: str, keys: Mapping[str, Any], expected: Expected, *, at: datetime) -> Person:
    """`keys` is the provider's JWKS. Raises KeyUnknown, IdTokenRefused."""
    claims = _verified(token, keys)
    if claims.get("iss") != expected.issuer:
        raise IdTokenRefused("another issuer made it")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if expected.client_id not in audiences:
        raise IdTokenRefused("it was made for another client")
    if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != expected.client_id:
        raise IdTokenRefused("another client asked for it")
    if claims.get("nonce") != expected.nonce:
        raise IdTokenRefused("it answers another sign-in")
    issued, ends = _moment(claims, "iat"), _moment(claims, "exp")
    now = at.timestamp()
    if ends <= now - LEEWAY.total_seconds():
        raise IdTokenRefused("it has expired")
    if not now - OLDEST.total_seconds() <= issued <= now + LEEWAY.total_seconds():
        raise IdTokenRefused("it was not issued just now; compare the clocks of the provider and the platform")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise IdTokenRefused("it names nobody")
    email = claims.get("email") if claims.get("email_verified") is True else None
    methods = claims.get("amr")
    stronger = isinstance(methods, list) and bool(SECOND_FACTORS.intersection(each for each in methods if isinstance(each, str)))
    return Person(expected.issuer, subject, email.lower() if isinstance(email, str) else None, stronger)


def _verified(token: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    if len(token) > LONGEST:
        raise IdTokenRefused("it is too long to be one")
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError) as error:
        raise IdTokenRefused("it cannot be read") from error
    if header.get("alg") not in ALGORITHMS:
        raise IdTokenRefused(f"it is not signed as {', '.join(ALGORITHMS)}")
    fitting = [key for key in keys.get("keys", ()) if isinstance(key, dict) and _fits(key, header)]
    if len(fitting) != 1:
        raise KeyUnknown
    try:
        return dict(jwt.decode(token, KeySet.import_key_set({"keys": fitting}), algorithms=list(ALGORITHMS)).claims)
    except (JoseError, ValueError) as error:
        raise IdTokenRefused("its signature is wrong") from error


def _fits(key: Mapping[str, Any], header: Mapping[str, Any]) -> bool:
    """Whether the token may be signed with this key: by its name, its kind, and what it is for."""
    kind = "EC" if str(header["alg"]).startswith("ES") else "RSA"
    named = "kid" not in header or key.get("kid") == header["kid"]
    return named and key.get("kty") == kind and key.get("use", "sig") == "sig" and key.get("alg", header["alg"]) == header["alg"]


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise IdTokenRefused(f"it lacks `{name}`")
    return float(value)
