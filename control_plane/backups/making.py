"""Making a backup and reading one: database and files, each a stream that is encrypted on its way into the object store.

What was stored is read back before it counts: decrypted, compared by hash, and the dump read through by pg_restore.
"""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from control_plane.backups.errors import RestoreDiffers
from control_plane.backups.models import Backup, object_key
from control_plane.backups.sealing import BackupDamaged, seal, unseal
from control_plane.databases.base import DatabaseServer, Source
from control_plane.databases.contents import Contents
from control_plane.operations.steps.base import Tools
from control_plane.platform import Platform


@dataclass(frozen=True, slots=True)
class Part:
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was read back whole."""

    taken_at: datetime
    contents: Contents
    database: Part
    files: Part


async def make(tools: Tools, tenant_id: UUID, backup_id: UUID) -> Made | None:
    """Back the tenant up under this id, over what an attempt before may have left; None when it has no database.

    Raises what the database server, the deployer and the object store raise, and BackupDamaged where it cannot be read back.
    """
    platform = tools.platform
    key = await tenant_key(platform, tenant_id)
    database_key, files_key = object_key(tenant_id, backup_id, "database"), object_key(tenant_id, backup_id, "files")
    async with tools.databases.dumping(tenant_id) as dumping:
        if dumping is None:
            return None
        database = await _store(platform, dumping.content, key, database_key)
        taken_at, contents = dumping.taken_at, dumping.contents
    # After the dump: a row may mention a file that is deleted since, never one that was not there yet.
    async with aclosing(tools.deployer.files(tenant_id)) as content:
        files = await _store(platform, content, key, files_key)
    await _read_back(platform, tools.databases, key, database_key, database, is_dump=True)
    await _read_back(platform, tools.databases, key, files_key, files, is_dump=False)
    return Made(taken_at, contents, database, files)


async def load(platform: Platform, databases: DatabaseServer, backup: Backup, tenant_id: UUID, database: str) -> Contents:
    """Load the backup into a database of this name beside the tenant's own; what it holds then.

    Raises RestoreDiffers where that is not what it was made of.
    """
    source = await database_of(platform, backup)
    loaded = await databases.load(tenant_id, database, source, roles_of=backup.tenant_id)
    assert backup.contents is not None
    if differences := Contents.from_json(backup.contents).differences(loaded):
        raise RestoreDiffers(backup.id, differences)
    return loaded


async def database_of(platform: Platform, backup: Backup) -> Source:
    """Opens the backup's dump, decrypted."""
    return partial(_open, platform, await tenant_key(platform, backup.tenant_id), backup.database_key)


async def files_of(platform: Platform, backup: Backup) -> AsyncGenerator[bytes, None]:
    """The backup's files, decrypted."""
    return _open(platform, await tenant_key(platform, backup.tenant_id), backup.files_key)


async def tenant_key(platform: Platform, tenant_id: UUID) -> bytes:
    async with platform.database.transaction() as session:
        return await platform.vault.tenant_key(session, tenant_id)


def _open(platform: Platform, key: bytes, object_key: str) -> AsyncGenerator[bytes, None]:
    return unseal(platform.objects.get(object_key), key, object_key)


class _Counted:
    """Passes content on, and knows its size and hash when it has ended."""

    def __init__(self, content: AsyncIterable[bytes]) -> None:
        self._content = content
        self._digest = hashlib.sha256()
        self._size = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._content:
            self._digest.update(piece)
            self._size += len(piece)
            yield piece

    @property
    def part(self) -> Part:
        return Part(self._size, self._digest.hexdigest())


async def _store(platform: Platform, content: AsyncIterable[bytes], key: bytes, object_key: str) -> Part:
    counted = _Counted(content)
    await platform.objects.put(object_key, seal(counted, key, object_key))
    return counted.part


async def _read_back(platform: Platform, databases: DatabaseServer, key: bytes, object_key: str, stored: Part, *, is_dump: bool) -> None:
    async with aclosing(_open(platform, key, object_key)) as content:
        counted = _Counted(content)
        read = aiter(counted)
        if is_dump:
            await databases.read_through(read)
        async for _ in read:
            continue
    if counted.part != stored:
        raise BackupDamaged(object_key)
