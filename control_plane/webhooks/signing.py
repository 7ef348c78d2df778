"""Secrets and signatures by the Standard Webhooks specification: `v1`, HMAC-SHA-256 over `<id>.<seconds>.<body>`."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

PREFIX: Final = "whsec_"
_BYTES: Final = 32


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def signed_headers(message_id: str, at: datetime, body: str, keys: Sequence[str]) -> dict[str, str]:
    """The headers a receiver verifies; one signature per key, so that it may change its secret in its own time."""
    seconds = int(at.timestamp())
    content = f"{message_id}.{seconds}.{body}".encode()
    signatures = [hmac.digest(base64.b64decode(key.removeprefix(PREFIX)), content, hashlib.sha256) for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(signature).decode()}" for signature in signatures),
    }
