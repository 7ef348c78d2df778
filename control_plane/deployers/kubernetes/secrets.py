"""A clinic's credentials, made in its namespace: the control plane keeps none of them, and databases get SCRAM verifiers only."""

import base64
import secrets
from typing import Final

from control_plane.deployers.kubernetes.api import Api, Object
from control_plane.deployers.kubernetes.facts import DOMAIN, MANAGER, Credentials

NAME: Final = "credentials"
_OWNER, _APP, _SECRET_KEY, _DATA_KEY = "owner.password", "app.password", "secret.key", "data.key"
_ENTROPY: Final = {_OWNER: 32, _APP: 32, _SECRET_KEY: 48, _DATA_KEY: 48}
"""Bytes of each."""


async def ensure(api: Api, namespace: str) -> Credentials:
    """Make them unless they exist. Of two that make them at once one wins, and both read that one's.

    The Secret is created, never applied: nothing that is rendered can take it back or set it anew.
    """
    found = await api.get("Secret", namespace, NAME)
    if found is None:
        drafted = {name: secrets.token_urlsafe(size) for name, size in _ENTROPY.items()}
        found = await api.create(_secret(namespace, drafted), kind="Secret") or await api.get("Secret", namespace, NAME)
    assert found is not None, "created by somebody, and gone again"
    return read(found)


async def put_data_key(api: Api, namespace: str, data_key: str) -> None:
    """Take the key that what was restored is sealed with; the next apply hands it to the pods."""
    await api.merge("Secret", namespace, NAME, {"data": {_DATA_KEY: base64.b64encode(data_key.encode()).decode()}})


def read(secret: Object) -> Credentials:
    held = {name: base64.b64decode(value).decode() for name, value in (secret.get("data") or {}).items()}
    return Credentials(held[_OWNER], held[_APP], held[_SECRET_KEY], held[_DATA_KEY])


def _secret(namespace: str, held: dict[str, str]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": MANAGER, f"{DOMAIN}/keep": "true"},
        },
        "type": "Opaque",
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in held.items()},
    }
