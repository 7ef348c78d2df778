"""Secrets that have to be read again, sealed before they are stored: AES-256-GCM, bound to whom they belong to.

The name of the key stands before each, so that one sealed with another key is told apart from one that was tampered with.
"""

import base64
import hashlib
import hmac
import os
from typing import Final

_NONCE: Final = 12


class KeyUnknown(Exception):
    """Sealed with a key this process does not have."""


class Sealer:
    def __init__(self, secret: bytes) -> None:
        # A key of its own: what signs or names things never encrypts.
        self._key = hmac.digest(secret, b"dentalpin sealing", hashlib.sha256)
        self._name = hmac.digest(self._key, b"name", hashlib.sha256).hex()[:8]

    def seal(self, text: str, *, owner: str) -> str:
        # Imported with the first secret: a waking runtime seals none.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE)
        sealed = nonce + AESGCM(self._key).encrypt(nonce, text.encode(), owner.encode())
        return f"{self._name}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str, *, owner: str) -> str:
        """Raises KeyUnknown, and ValueError for what was altered or belongs to somebody else."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        name, _, content = sealed.partition(".")
        if name != self._name:
            raise KeyUnknown
        raw = base64.urlsafe_b64decode(content)
        try:
            return AESGCM(self._key).decrypt(raw[:_NONCE], raw[_NONCE:], owner.encode()).decode()
        except InvalidTag as error:
            raise ValueError("what was sealed has been altered, or belongs to somebody else") from error
