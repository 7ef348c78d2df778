"""The secrets of an endpoint, sealed in its row: the one that signs, and for a while the one before."""

from datetime import datetime, timedelta
from typing import Final

from control_plane.vault.vault import Vault, place
from control_plane.webhooks.models import WebhookEndpoint
from control_plane.webhooks.signing import new_secret

BOTH_SIGN_FOR: Final = timedelta(hours=24)


def _place(endpoint: WebhookEndpoint, column: str) -> str:
    return place(WebhookEndpoint.__tablename__, column, endpoint.id)


def renew(vault: Vault, endpoint: WebhookEndpoint) -> str:
    """Give the endpoint a new secret; the only time it is seen."""
    secret = new_secret()
    endpoint.sealed_secret = vault.seal(secret.encode(), _place(endpoint, "sealed_secret"))
    return secret


def rotate(vault: Vault, endpoint: WebhookEndpoint, *, at: datetime) -> str:
    """A new secret; for a day the one before signs, too."""
    before = vault.open(endpoint.sealed_secret, _place(endpoint, "sealed_secret"))
    endpoint.sealed_previous = vault.seal(before, _place(endpoint, "sealed_previous"))
    endpoint.previous_until = at + BOTH_SIGN_FOR
    return renew(vault, endpoint)


def signing_keys(vault: Vault, endpoint: WebhookEndpoint, *, at: datetime) -> list[str]:
    keys = [vault.open(endpoint.sealed_secret, _place(endpoint, "sealed_secret"))]
    if endpoint.sealed_previous is not None and endpoint.previous_until is not None and at < endpoint.previous_until:
        keys.append(vault.open(endpoint.sealed_previous, _place(endpoint, "sealed_previous")))
    return [key.decode() for key in keys]
