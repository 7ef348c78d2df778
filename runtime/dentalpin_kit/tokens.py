"""Signed tokens between the platform and its runtimes: Ed25519 JWS in compact form (RFC 7515, RFC 9864).

A token is for one audience (a tenant's id), one purpose and a short time, and has an id that its receiver may burn. The platform
keeps the private key; a runtime knows the public one from its revision. Verifying never trusts what the token says of itself:
the algorithm is fixed here.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from dentalpin_kit.problems import DomainError

if TYPE_CHECKING:
    from joserfc.jwk import OKPKey

ALGORITHM: Final = "Ed25519"
LEEWAY: Final = timedelta(seconds=30)
"""How far two machines' clocks may be apart."""
_RESERVED: Final = frozenset({"aud", "purpose", "sub", "jti", "iat", "exp"})
_MAXIMUM_LENGTH: Final = 4096


class TokenRefused(DomainError):
    """The token proves nothing to this receiver."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "token_refused"


class TokenMalformed(TokenRefused):
    code: ClassVar[str] = "token_malformed"


class TokenUntrusted(TokenRefused):
    code: ClassVar[str] = "token_untrusted"


class TokenExpired(TokenRefused):
    code: ClassVar[str] = "token_expired"


class TokenNotYetValid(TokenRefused):
    code: ClassVar[str] = "token_not_yet_valid"


class TokenForAnother(TokenRefused):
    """The audience is somebody else: another tenant's token."""

    code: ClassVar[str] = "token_wrong_audience"


class TokenWrongPurpose(TokenRefused):
    code: ClassVar[str] = "token_wrong_purpose"


@dataclass(frozen=True)
class Token:
    """What a verified token says. `claims` holds what its purpose adds, such as `serial`."""

    audience: str
    purpose: str
    jti: str
    issued_at: datetime
    expires_at: datetime
    subject: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SigningKey:
    """An Ed25519 key pair; both halves are raw keys in base64url without padding, 43 characters each."""

    private: str = field(repr=False)
    public: str

    @classmethod
    def generate(cls) -> Self:
        from joserfc.jwk import OKPKey

        return cls._of(OKPKey.generate_key("Ed25519"))

    @classmethod
    def from_private(cls, private: str) -> Self:
        """The pair of a raw private key. Raises ValueError when it is no Ed25519 key."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from joserfc.jwk import OKPKey

        raw = _decode(private.strip())
        if len(raw) != 32:
            raise ValueError("an Ed25519 private key has 32 bytes, as 43 characters of base64url")
        public = Ed25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw()
        return cls._of(OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "d": _encode(raw), "x": _encode(public)}))

    @classmethod
    def _of(cls, key: "OKPKey") -> Self:
        parts = key.as_dict(private=True)
        return cls(private=str(parts["d"]), public=str(parts["x"]))


def sign(
    key: SigningKey,
    *,
    audience: str,
    purpose: str,
    lifetime: timedelta,
    subject: str | None = None,
    jti: str | None = None,
    claims: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> str:
    """A token for one audience and purpose that ends after `lifetime`. Raises ValueError for a claim that would hide a checked one."""
    from joserfc import jws
    from joserfc.jwk import OKPKey

    extra = dict(claims or {})
    if hidden := _RESERVED & extra.keys():
        raise ValueError(f"claims may not contain {', '.join(sorted(hidden))}: sign() sets them itself")
    moment = now or datetime.now(UTC)
    payload: dict[str, Any] = {
        **extra,
        "aud": audience,
        "purpose": purpose,
        "jti": jti or secrets.token_urlsafe(16),
        "iat": int(moment.timestamp()),
        "exp": int((moment + lifetime).timestamp()),
    }
    if subject is not None:
        payload["sub"] = subject
    jwk = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "d": key.private, "x": key.public})
    return jws.serialize_compact({"alg": ALGORITHM, "typ": "JWT"}, json.dumps(payload), jwk, algorithms=[ALGORITHM])


def verify(
    token: str,
    public_key: str,
    *,
    audience: str,
    purpose: str,
    now: datetime | None = None,
    leeway: timedelta = LEEWAY,
) -> Token:
    """What the token says, once its signature, audience, purpose and time are right.

    Raises a TokenRefused that says which of them is wrong. Whether the id was used before is the caller's to ask.
    """
    claims = _verified_claims(token, public_key)
    aud, claimed_purpose, jti = (_text(claims, name) for name in ("aud", "purpose", "jti"))
    issued_at, expires_at = (_moment(claims, name) for name in ("iat", "exp"))
    moment = now or datetime.now(UTC)
    if aud != audience:
        raise TokenForAnother("this token was made for another receiver; ask the platform for one for this clinic")
    if claimed_purpose != purpose:
        raise TokenWrongPurpose(f"this token is for {claimed_purpose!r}, not for {purpose!r}; ask the platform for the right one")
    if moment > expires_at + leeway:
        raise TokenExpired("this token is no longer valid; ask the platform for a new one", expired_at=expires_at.isoformat())
    if issued_at > moment + leeway:
        raise TokenNotYetValid("this token was issued in the future; compare the clocks of the platform and of this machine")
    subject = claims.get("sub")
    if subject is not None and not isinstance(subject, str):
        raise TokenMalformed("the token's subject is not text")
    extra = {name: value for name, value in claims.items() if name not in _RESERVED}
    return Token(aud, claimed_purpose, jti, issued_at, expires_at, subject, extra)


def _verified_claims(token: str, public_key: str) -> dict[str, Any]:
    # Imported when the first token arrives: the library takes a third of a second, which a waking runtime does not have.
    from joserfc import jws
    from joserfc.errors import JoseError
    from joserfc.jwk import OKPKey

    if not token or len(token) > _MAXIMUM_LENGTH or token.count(".") != 2:
        raise TokenMalformed("this is not a token: three parts separated by dots are expected")
    try:
        jwk = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": public_key})
    except (JoseError, ValueError) as error:
        raise ValueError("the platform's public key is not a raw Ed25519 key in base64url; correct the revision") from error
    try:
        claims = json.loads(jws.deserialize_compact(token, jwk, algorithms=[ALGORITHM]).payload)
    except JoseError as error:
        if error.error == "bad_signature":
            raise TokenUntrusted("this token was not signed by this clinic's platform") from error
        raise TokenMalformed(f"this token cannot be read: {error.error}") from error
    except ValueError as error:
        raise TokenMalformed("this token cannot be read: its content is not JSON") from error
    if not isinstance(claims, dict):
        raise TokenMalformed("this token cannot be read: its content is not an object")
    return claims


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise TokenMalformed(f"the token lacks {name!r}")
    return value


def _moment(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TokenMalformed(f"the token lacks {name!r}, in seconds since 1970")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise TokenMalformed(f"the token's {name!r} is no moment in time") from error


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64url") from error
