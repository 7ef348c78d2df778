"""Encryption of a backup's content as a stream: a key per object, wrapped by the tenant's key, and AES-256-GCM in chunks.

    DPB1 | nonce (12) | wrapped data key (48) | chunk | chunk | …

Each chunk is authenticated with its number and whether it is the last one, so that none can be changed, left out, doubled or moved, and a
content that breaks off does not open. `context` (the object's key) is authenticated too: one object does not open in another's place.
"""

import secrets
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from typing import ClassVar, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from control_plane.errors import DomainError

MAGIC: Final = b"DPB1"
CHUNK: Final = 1024 * 1024
_KEY: Final = 32
_NONCE: Final = 12
_TAG: Final = 16
HEADER: Final = len(MAGIC) + _NONCE + _KEY + _TAG


class BackupDamaged(DomainError):
    """What the store holds is not what was put there, or was sealed for another tenant."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "backup_damaged"

    def __init__(self, context: str) -> None:
        super().__init__(
            f"The stored object {context} was altered, breaks off, or was encrypted with another key. Use another backup, and look at the "
            "object store.",
            object=context,
        )


async def seal(content: AsyncIterable[bytes], key: bytes, context: str) -> AsyncGenerator[bytes, None]:
    """`content` encrypted under the tenant's `key`, to be stored as `context`."""
    data_key, nonce = secrets.token_bytes(_KEY), secrets.token_bytes(_NONCE)
    yield MAGIC + nonce + AESGCM(key).encrypt(nonce, data_key, MAGIC + context.encode())
    cipher, number, waiting = AESGCM(data_key), 0, bytearray()
    async for piece in content:
        waiting += piece
        # The last chunk is known to be the last only when the content has ended.
        while len(waiting) > CHUNK:
            yield cipher.encrypt(_nonce(number, last=False), bytes(waiting[:CHUNK]), None)
            del waiting[:CHUNK]
            number += 1
    yield cipher.encrypt(_nonce(number, last=True), bytes(waiting), None)


async def unseal(stored: AsyncGenerator[bytes, None], key: bytes, context: str) -> AsyncGenerator[bytes, None]:
    """What was sealed, once it is authenticated chunk by chunk. Raises BackupDamaged; what came before then is not to be used."""
    whole = CHUNK + _TAG
    async with aclosing(stored) as pieces:
        try:
            cipher, number, waiting = None, 0, bytearray()
            async for piece in pieces:
                waiting += piece
                if cipher is None and len(waiting) >= HEADER:
                    cipher = _cipher(bytes(waiting[:HEADER]), key, context)
                    del waiting[:HEADER]
                while cipher is not None and len(waiting) > whole:
                    yield cipher.decrypt(_nonce(number, last=False), bytes(waiting[:whole]), None)
                    del waiting[:whole]
                    number += 1
            if cipher is None:
                raise BackupDamaged(context)
            yield cipher.decrypt(_nonce(number, last=True), bytes(waiting), None)
        except (InvalidTag, ValueError) as error:
            raise BackupDamaged(context) from error


def _cipher(header: bytes, key: bytes, context: str) -> AESGCM:
    if not header.startswith(MAGIC):
        raise BackupDamaged(context)
    nonce, wrapped = header[len(MAGIC) : len(MAGIC) + _NONCE], header[len(MAGIC) + _NONCE :]
    return AESGCM(AESGCM(key).decrypt(nonce, wrapped, MAGIC + context.encode()))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(_NONCE - 1, "big") + (b"\x01" if last else b"\x00")
