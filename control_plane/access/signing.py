"""The platform's Ed25519 key and the tokens its runtimes trust. The public half travels in every revision."""

import fcntl
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from control_plane.access.secret_files import write_secret
from dentalpin_kit.tokens import SigningKey, sign

FILE: Final = "platform-signing.key"
ATTEST_FOR: Final = timedelta(seconds=60)
INVITE_FOR: Final = timedelta(seconds=60)
WELCOME_FOR: Final = timedelta(days=7)


def load_signing_key(folder: Path, given: str | None = None) -> SigningKey:
    """The key given, else the one in `folder` (0600), made at the first call; processes that start together agree on one.

    A lost key is not replaced silently elsewhere: a new one changes every tenant's revision and is rolled out like any change.
    """
    if given is not None:
        return SigningKey.from_private(given)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / FILE
    with (folder / f".{FILE}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            write_secret(file, SigningKey.generate().private + "\n")
    return SigningKey.from_private(file.read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Invitation:
    """A one-time link for the owner to set a password: only the latest serial registered at the runtime is accepted."""

    link: str
    valid_for: timedelta


def attestation_token(key: SigningKey, tenant_id: UUID) -> str:
    return sign(key, audience=str(tenant_id), purpose="attest", lifetime=ATTEST_FOR)


def invitation_token(key: SigningKey, tenant_id: UUID) -> str:
    """Lets the platform register the serial of an invitation at the runtime."""
    return sign(key, audience=str(tenant_id), purpose="invite", lifetime=INVITE_FOR)


def invitation(key: SigningKey, tenant_id: UUID, *, address: str, email: str, serial: int) -> Invitation:
    token = sign(key, audience=str(tenant_id), purpose="welcome", lifetime=WELCOME_FOR, subject=email, claims={"serial": serial})
    return Invitation(f"{address.rstrip('/')}/welcome?{urlencode({'token': token})}", WELCOME_FOR)
