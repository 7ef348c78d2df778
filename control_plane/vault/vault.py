"""Sealing: AES-256-GCM with the name of the key in front, bound to the place the secret belongs to.

    v1 | length of the name | name | nonce (12) | ciphertext and tag

`context` is authenticated, not stored: a value copied into another row does not open there. It is `<table>.<column>:<primary key>`
(`place`), so that `rotating` can seal every value again without knowing what it is.
"""

import os
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.vault.errors import SealBroken, TenantKeyDestroyed, VaultKeyUnknown
from control_plane.vault.keyring import KEY_BYTES, KeyRing
from control_plane.vault.models import TenantKey

_VERSION: Final = b"v1"
_NONCE: Final = 12


def place(table: str, column: str, key: object) -> str:
    """The context of a value in this column of the row with this primary key."""
    return f"{table}.{column}:{key}"


def key_name(sealed: bytes) -> str:
    """The name of the key it was sealed with. Raises SealBroken for what this vault did not make."""
    length = sealed[2] if len(sealed) > 2 and sealed[:2] == _VERSION else 0
    try:
        name = sealed[3 : 3 + length].decode("ascii")
    except UnicodeDecodeError:
        name = ""
    if not name or len(sealed) < 3 + length + _NONCE + 16:
        raise SealBroken("a value")
    return name


class Vault:
    def __init__(self, ring: KeyRing, now: Callable[[], datetime]) -> None:
        self.ring = ring
        self._now = now

    def seal(self, plain: bytes, context: str) -> bytes:
        """`plain` sealed for this place with the ring's newest key."""
        key = self.ring.active(self._now())
        nonce = os.urandom(_NONCE)
        name = key.name.encode("ascii")
        return _VERSION + bytes([len(name)]) + name + nonce + AESGCM(key.secret).encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """What was sealed for this place. Raises VaultKeyUnknown, and SealBroken for what was altered or moved."""
        name = key_name(sealed)
        key = self.ring.key(name)
        if key is None:
            raise VaultKeyUnknown(name)
        start = 3 + len(name)
        try:
            return AESGCM(key.secret).decrypt(sealed[start : start + _NONCE], sealed[start + _NONCE :], context.encode())
        except InvalidTag as error:
            raise SealBroken(context) from error

    async def tenant_key(self, session: AsyncSession, tenant_id: UUID) -> bytes:
        """The tenant's data key (32 bytes), made at the first call. Raises TenantKeyDestroyed once it was."""
        found = await session.scalar(select(TenantKey).where(TenantKey.tenant_id == tenant_id))
        if found is None:
            made = self.seal(secrets.token_bytes(KEY_BYTES), _tenant_place(tenant_id))
            values = {"tenant_id": tenant_id, "sealed": made, "created_at": self._now()}
            # Two that ask at once agree on one: the second waits here for the first.
            await session.execute(insert(TenantKey).values(**values).on_conflict_do_nothing())
            found = await session.scalar(
                select(TenantKey).where(TenantKey.tenant_id == tenant_id).execution_options(populate_existing=True)
            )
            assert found is not None
        if found.sealed is None:
            raise TenantKeyDestroyed(str(tenant_id))
        return self.open(found.sealed, _tenant_place(tenant_id))

    async def destroy_tenant_key(self, session: AsyncSession, tenant_id: UUID) -> datetime:
        """Make everything that is encrypted with the tenant's key unreadable; when that was. Repeating it changes nothing.

        Copies of the row in backups of this database open until the ring has rotated and dropped the key that sealed them.
        """
        now = self._now()
        missing = insert(TenantKey).values(tenant_id=tenant_id, sealed=None, created_at=now, destroyed_at=now).on_conflict_do_nothing()
        await session.execute(missing)
        still_there = update(TenantKey).where(TenantKey.tenant_id == tenant_id, TenantKey.destroyed_at.is_(None))
        await session.execute(still_there.values(sealed=None, destroyed_at=now))
        destroyed = await session.scalar(select(TenantKey.destroyed_at).where(TenantKey.tenant_id == tenant_id))
        assert destroyed is not None
        return destroyed


def _tenant_place(tenant_id: UUID) -> str:
    return place("tenant_key", "sealed", tenant_id)
