"""One door to a folder or an S3-compatible service. Objects appear whole or not at all; nothing larger than a part is held in memory.

Keys are made here and name no person: `backups/<tenant id>/<backup id>`. What is stored is encrypted before it comes here.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, S3Store

from control_plane.config import Settings
from control_plane.objects.errors import ObjectMissing, ObjectStoreRefused, ObjectStoreUnavailable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

PART_BYTES: Final = 5 * 1024 * 1024
"""The smallest part S3 takes."""
PARTS_AT_ONCE: Final = 3
READ_BYTES: Final = 1024 * 1024
RETRY_SECONDS: Final = 20
REQUEST_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store says of an object."""

    key: str
    size: int
    modified: datetime


class ObjectStore:
    """Raises ObjectStoreUnavailable and ObjectStoreRefused from every method, ObjectMissing where something is asked of an object."""

    def __init__(self, store: LocalStore | S3Store, *, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    async def put(self, key: str, content: AsyncIterable[bytes] | Path) -> Stored:
        """Store the content under this key, instead of what was there. An exception raised by `content` stores nothing and passes."""
        with _translated(key):
            await obstore.put_async(self._store, key, content, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
        if self._folder is not None:
            await asyncio.to_thread(_sync, self._folder / key)
        return await self.stat(key)

    async def get(self, key: str) -> AsyncGenerator[bytes, None]:
        """The content in pieces, as it arrives."""
        with _translated(key):
            found = await obstore.get_async(self._store, key)
            async for piece in found.stream(min_chunk_size=READ_BYTES):
                yield bytes(piece)

    async def stat(self, key: str) -> Stored:
        with _translated(key):
            found = await obstore.head_async(self._store, key)
        return Stored(key, found["size"], found["last_modified"])

    async def delete(self, key: str) -> None:
        """Remove the object. Nothing there → nothing."""
        try:
            with _translated(key):
                await obstore.delete_async(self._store, key)
        except ObjectMissing:
            return

    async def list(self, prefix: str) -> list[Stored]:
        """Everything under a prefix that ends at a `/`, by key."""
        with _translated(prefix):
            found = await obstore.list(self._store, prefix).collect_async()
        return sorted((Stored(one["path"], one["size"], one["last_modified"]) for one in found), key=lambda one: one.key)


def open_store(settings: Settings) -> ObjectStore:
    """The store that the settings name; a folder under the platform's data where they name none. Raises ValueError."""
    where = settings.object_store
    if where is None:
        return _folder(settings.data.absolute() / "objects")
    parts = urlsplit(where)
    if parts.scheme == "file":
        return _folder(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        return _bucket(parts.netloc, parts.path.strip("/"), settings)
    raise ValueError(f"DENTALPIN_OBJECT_STORE is {where!r}: write file:///a/folder or s3://bucket/prefix")


def _folder(root: Path) -> ObjectStore:
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    return ObjectStore(LocalStore(root), folder=root)


def _bucket(name: str, prefix: str, settings: Settings) -> ObjectStore:
    config: S3Config = {}
    options: ClientConfig = {"timeout": timedelta(seconds=REQUEST_SECONDS)}
    if settings.object_store_region is not None:
        config["region"] = settings.object_store_region
    if settings.object_store_endpoint is not None:
        config["endpoint"] = settings.object_store_endpoint
        options["allow_http"] = settings.object_store_endpoint.startswith("http://")
    if settings.object_store_key_id is not None and settings.object_store_secret is not None:
        config["access_key_id"] = settings.object_store_key_id
        config["secret_access_key"] = settings.object_store_secret.get_secret_value()
    retries: RetryConfig = {"max_retries": 5, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}
    return ObjectStore(S3Store(name, prefix=prefix or None, config=config, client_options=options, retry_config=retries))


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotFoundError) as error:
        raise ObjectMissing(key) from error
    except (PermissionError, PermissionDeniedError, UnauthenticatedError) as error:
        raise ObjectStoreRefused(_first_line(error)) from error
    except (BaseError, OSError) as error:
        raise ObjectStoreUnavailable(_first_line(error)) from error


def _first_line(error: BaseException) -> str:
    """What happened, without the request's details that follow it."""
    return str(error).split("\n", 1)[0][:300]


def _sync(file: Path) -> None:
    """Have the object and its name on the disk before anybody relies on it."""
    for path, flags in ((file, os.O_RDONLY), (file.parent, os.O_RDONLY | os.O_DIRECTORY)):
        descriptor = os.open(path, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
