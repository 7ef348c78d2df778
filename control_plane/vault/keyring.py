"""The ring: named keys, of which the newest seals and all open.

It lies in a file (0600) that every process of this platform reads, or comes by the environment, where somebody else keeps it.
"""

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from control_plane.access.secret_files import write_secret
from control_plane.config import Settings

FILE: Final = "vault.json"
KEY_BYTES: Final = 32


class RingInvalid(ValueError):
    """The ring cannot be read; the message says where it came from and what is expected, and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class RingKey:
    name: str
    secret: bytes
    made_at: datetime | None = None
    """None for keys of the environment: their age is their keeper's to know."""

    def __repr__(self) -> str:
        return f"RingKey({self.name!r})"


class KeyRing:
    """Keys from the one that seals to the oldest."""

    def __init__(self, settings: Settings) -> None:
        given = settings.vault_keys.get_secret_value() if settings.vault_keys else None
        self._file = None if given else settings.keys / FILE
        self._keys: tuple[RingKey, ...] = _parse_given(given) if given else ()

    @property
    def kept_elsewhere(self) -> bool:
        return self._file is None

    def active(self, at: datetime) -> RingKey:
        """The key that seals; the first is made here when there is none."""
        if self._file is not None:
            # Another process may have rotated: what is sealed from now on is sealed with its key.
            self._read()
            if not self._keys:
                with self._locked(self._file) as file:
                    self._read()
                    if not self._keys:
                        self._write(file, (_new_key(at),))
        return self._keys[0]

    def key(self, name: str) -> RingKey | None:
        for attempt in range(2):
            for key in self._keys:
                if key.name == name:
                    return key
            if attempt == 0 and self._file is not None:
                self._read()
        return None

    @property
    def keys(self) -> tuple[RingKey, ...]:
        if self._file is not None:
            self._read()
        return self._keys

    def add(self, at: datetime) -> RingKey:
        """A new key that seals from now on. Raises RingInvalid for a ring that is kept elsewhere."""
        if self._file is None:
            raise RingInvalid("the ring comes from DENTALPIN_VAULT_KEYS: put a new key first there, and restart the platform")
        with self._locked(self._file) as file:
            self._read()
            new = _new_key(at)
            self._write(file, (new, *self._keys))
        return new

    def drop(self, names: frozenset[str]) -> None:
        """Forget keys for good. The one that seals is kept whatever is asked."""
        if self._file is None or not names:
            return
        with self._locked(self._file) as file:
            self._read()
            self._write(file, (self._keys[0], *(key for key in self._keys[1:] if key.name not in names)))

    @contextmanager
    def _locked(self, file: Path) -> Iterator[Path]:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(file.with_name(f".{file.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
        with os.fdopen(descriptor) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield file

    def _read(self) -> None:
        assert self._file is not None
        try:
            stored = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            self._keys = ()
            return
        except ValueError as error:
            raise RingInvalid(f"{self._file.name} is not JSON; put the copy kept with your backups back") from error
        self._keys = tuple(
            RingKey(one["name"], _secret(one["key"], self._file.name), datetime.fromisoformat(one["made_at"])) for one in stored
        )

    def _write(self, file: Path, keys: tuple[RingKey, ...]) -> None:
        stored = [
            {"name": key.name, "key": base64.urlsafe_b64encode(key.secret).decode(), "made_at": key.made_at.isoformat()}
            for key in keys
            if key.made_at is not None
        ]
        write_secret(file, json.dumps(stored, indent=1) + "\n")
        self._keys = keys


def _new_key(at: datetime) -> RingKey:
    return RingKey(f"k{at:%Y%m%d}{secrets.token_hex(3)}", secrets.token_bytes(KEY_BYTES), at)


def _parse_given(text: str) -> tuple[RingKey, ...]:
    keys = []
    for part in text.split(","):
        name, colon, encoded = part.strip().partition(":")
        if not colon or not name or len(name) > 40:
            raise RingInvalid("DENTALPIN_VAULT_KEYS is `name:key,name:key`, the key that seals first; a key is 32 bytes in base64url")
        keys.append(RingKey(name, _secret(encoded, "DENTALPIN_VAULT_KEYS")))
    if len({key.name for key in keys}) != len(keys):
        raise RingInvalid("DENTALPIN_VAULT_KEYS names a key twice")
    return tuple(keys)


def _secret(encoded: str, where: str) -> bytes:
    try:
        secret = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise RingInvalid(f"{where} holds a key that is not {KEY_BYTES} bytes in base64url")
    return secret
