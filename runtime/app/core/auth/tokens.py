"""The tokens this runtime signs for its own people: HS256, with a key derived from the runtime's secret.

An access token lasts minutes and names the session it belongs to, so that it dies with the session. A page token is the same in a
browser's cookie, for a working day. A pending one says that the password was right and a code is still to come. What the *platform*
signs is read by `dentalpin_kit.tokens`.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

from .errors import NotSignedIn, SessionEnded

if TYPE_CHECKING:
    from joserfc.jwk import OctKey

ACCESS_LIFETIME: Final = timedelta(minutes=10)
PAGE_LIFETIME: Final = timedelta(hours=12)
PENDING_LIFETIME: Final = timedelta(minutes=5)
"""Between the password and the code of the second factor."""
_ALGORITHM: Final = "HS256"

Kind = Literal["access", "page", "pending"]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token of ours says: who, in which session, and for which clinic it was asked."""

    user_id: UUID
    session_id: UUID
    clinic_id: UUID | None


class AccessTokens:
    """Signs and reads tokens. A key of its own per purpose: replacing the secret ends sessions and breaks nothing else."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def derive(self, purpose: str) -> bytes:
        return hmac.digest(self._secret, f"dentalpin {purpose}".encode(), hashlib.sha256)

    @cached_property
    def _key(self) -> "OctKey":
        # Imported with the first token: the library takes a third of a second, which a waking runtime does not have.
        from joserfc.jwk import OctKey

        return OctKey.import_key(self.derive("access tokens"))

    def issue(self, claims: Claims, kind: Kind) -> str:
        from joserfc import jwt

        now = datetime.now(UTC)
        lifetime = {"access": ACCESS_LIFETIME, "page": PAGE_LIFETIME, "pending": PENDING_LIFETIME}[kind]
        payload = {
            "sub": str(claims.user_id),
            "sid": str(claims.session_id),
            "kind": kind,
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
        }
        if claims.clinic_id is not None:
            payload["clinic_id"] = str(claims.clinic_id)
        return jwt.encode({"alg": _ALGORITHM}, payload, self._key)

    def read(self, token: str, kind: Kind) -> Claims:
        """The claims of a token of ours. Raises NotSignedIn for anything else and SessionEnded for one that has expired."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        try:
            claims = jwt.decode(token, self._key, algorithms=[_ALGORITHM]).claims
        except (JoseError, ValueError) as error:
            raise NotSignedIn from error
        if claims.get("kind") != kind:
            raise NotSignedIn
        if claims["exp"] <= datetime.now(UTC).timestamp():
            raise SessionEnded
        clinic = claims.get("clinic_id")
        return Claims(UUID(claims["sub"]), UUID(claims["sid"]), UUID(clinic) if clinic else None)
