"""What PostgreSQL keeps of a password: enough to check it, not to sign in with."""

import base64
import hashlib
import hmac
import secrets
from typing import Final

SCRAM_ITERATIONS: Final = 4096
"""PostgreSQL's own default. The passwords are random, so more would not make them harder to guess."""


def scram_verifier(password: str, *, salt: bytes | None = None) -> str:
    """What PostgreSQL stores for a password (RFC 5803): enough to check it, not to log in with. `password` is ASCII."""
    salt = salt if salt is not None else secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, SCRAM_ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    parts = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return "SCRAM-SHA-256${}:{}${}:{}".format(SCRAM_ITERATIONS, *parts)
