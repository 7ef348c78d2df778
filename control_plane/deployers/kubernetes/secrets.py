"""A clinic's credentials, made in its namespace: the control plane keeps none of them, and databases get SCRAM verifiers only."""

import base64
import secrets
from typing import Final

from control_plane.deployers.base import DeployerUnavailable, RuntimeRefused
from control_plane.deployers.kubernetes.api import Api, Object
from control_plane.deployers.kubernetes.facts import DOMAIN, MANAGER, Credentials

NAME: Final = "credentials"
_SECRET_KEY, _DATA_KEY = "secret.key", "data.key"
_PASSWORDS_END: Final = ".password"


async def ensure(api: Api, namespace: str, serial: int = 0) -> Credentials:
    """Make them unless they exist, passwords of this serial. Of two that make them at once one wins, and both read that one's.

    The Secret is created and added to, never applied: nothing that is rendered can take it back or set it anew.
    """
    found = await api.get("Secret", namespace, NAME)
    if found is None:
        entropy = {_owner(serial): 32, _app(serial): 32, _SECRET_KEY: 48, _DATA_KEY: 48}
        drafted = {name: secrets.token_urlsafe(size) for name, size in entropy.items()}
        found = await api.create(_secret(namespace, drafted), kind="Secret") or await api.get("Secret", namespace, NAME)
    assert found is not None, "created by somebody, and gone again"
    missing = [name for name in (_owner(serial), _app(serial)) if name not in found["data"]]
    if missing:
        added = {name: base64.b64encode(secrets.token_urlsafe(32).encode()).decode() for name in missing}
        # The version read stands beside them: whoever was quicker has won, and this is tried again with what they made.
        version = {"resourceVersion": found["metadata"]["resourceVersion"]}
        try:
            merged = await api.merge("Secret", namespace, NAME, {"metadata": version, "data": added})
        except RuntimeRefused as refusal:
            if refusal.answered != 409:
                raise
            merged = None
        if merged is None:
            raise DeployerUnavailable(f"The credentials in {namespace} changed while passwords were added; they are read again.")
        found = merged
    return read(found, serial)


async def forget(api: Api, namespace: str, *, keep: int) -> None:
    """Take away the passwords of every other serial."""
    found = await api.get("Secret", namespace, NAME)
    kept = (_owner(keep), _app(keep))
    gone = [name for name in (found or {}).get("data") or {} if name.endswith(_PASSWORDS_END) and name not in kept]
    if gone:
        await api.merge("Secret", namespace, NAME, {"data": dict.fromkeys(gone)})


def _owner(serial: int) -> str:
    return f"owner.{serial}{_PASSWORDS_END}" if serial else f"owner{_PASSWORDS_END}"


def _app(serial: int) -> str:
    return f"app.{serial}{_PASSWORDS_END}" if serial else f"app{_PASSWORDS_END}"


async def put_data_key(api: Api, namespace: str, data_key: str) -> None:
    """Take the key that what was restored is sealed with; the next apply hands it to the pods."""
    await api.merge("Secret", namespace, NAME, {"data": {_DATA_KEY: base64.b64encode(data_key.encode()).decode()}})


def read(secret: Object, serial: int = 0) -> Credentials:
    held = {name: base64.b64decode(value).decode() for name, value in (secret.get("data") or {}).items()}
    return Credentials(held[_owner(serial)], held[_app(serial)], held[_SECRET_KEY], held[_DATA_KEY])


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
