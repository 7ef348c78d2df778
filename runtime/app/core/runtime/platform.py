"""Who speaks for the platform: requests on the control channel carry a token signed with the key the revision names.

`Depends(platform_token("attest"))` gives the verified token. Without a revision nobody is the platform, and every such route refuses.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from app.core.runtime import process
from app.core.runtime.errors import PlatformTokenMissing, StandAlone
from dentalpin_kit import tokens

_SCHEME = "bearer "


@dataclass(frozen=True)
class PlatformIdentity:
    """What this runtime needs to believe its platform: whose runtime it is, and the platform's address and public key."""

    tenant_id: str
    url: str
    public_key: str


def platform_identity() -> PlatformIdentity:
    """The platform of the adopted revision. Raises StandAlone if there is none."""
    serving = process.current()
    if serving is None or serving.revision is None:
        raise StandAlone
    document = serving.revision.document
    return PlatformIdentity(document["tenant"]["id"], document["platform"]["url"], document["platform"]["public_key"])


def verify_platform_token(token: str, purpose: str) -> tokens.Token:
    """The token, if this tenant's platform signed it for this purpose. Raises StandAlone or a TokenRefused."""
    identity = platform_identity()
    return tokens.verify(token, identity.public_key, audience=identity.tenant_id, purpose=purpose)


def platform_token(purpose: str) -> Callable[[Request], tokens.Token]:
    """A FastAPI dependency that lets only the platform in, with a token made for `purpose`."""

    def dependency(request: Request) -> tokens.Token:
        header = request.headers.get("authorization", "")
        if not header.lower().startswith(_SCHEME):
            raise PlatformTokenMissing
        return verify_platform_token(header[len(_SCHEME) :].strip(), purpose)

    return dependency
