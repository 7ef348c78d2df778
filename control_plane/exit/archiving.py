"""From a clinic to one sealed object: let its runtime write the archive, sign it, read all of it again, seal it, store it.

The plain archive exists only in a folder of this process's own, and only for as long as that takes.
"""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from control_plane.backups.sealing import seal
from control_plane.databases.base import DatabaseServer
from control_plane.deployers.base import Placement, RuntimeRefused
from control_plane.exit.models import ExportFormat
from control_plane.platform import Platform
from dentalpin_kit.archives import sign_archive, verify_archive

_READ: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Archived:
    """What lies in the object store; size and digest are of the archive, not of its sealed form."""

    object_key: str
    format: ExportFormat
    bytes: int
    sha256: str


def object_key(tenant_id: UUID, operation_id: UUID) -> str:
    return f"exports/{tenant_id}/{operation_id}"


async def archive(
    platform: Platform,
    databases: DatabaseServer,
    placement: Placement,
    operation_id: UUID,
    *,
    key: bytes,
    half_done: Callable[[], None],
    or_dump: bool = False,
) -> Archived | None:
    """Store the clinic's archive. Repeated, it is made anew: what is stored is always whole, and of the last time.

    With `or_dump`, a clinic whose runtime cannot export (it was never set up, or its environment is gone) is kept as a dump of its
    database; None where there is not even that. Raises what the runtime refuses with, and the errors of deployer, database and store.
    """
    tenant_id = placement.tenant_id
    folder = platform.settings.data.absolute() / "exporting" / str(operation_id)
    await asyncio.to_thread(_fresh, folder)
    try:
        file, kind = folder / "archive", ExportFormat.ARCHIVE
        try:
            await platform.deployer.export(placement, file)
            await asyncio.to_thread(_sign_and_verify, platform, file)
        except RuntimeRefused:
            if not or_dump:
                raise
            file, kind = folder / "dump", ExportFormat.DUMP
            if await databases.dump(tenant_id, file) is None:
                return None
        half_done()
        size, digest = await asyncio.to_thread(_size_and_digest, file)
        stored = object_key(tenant_id, operation_id)
        await platform.objects.put(stored, seal(_pieces(file), key, stored))
        return Archived(stored, kind, size, digest)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, True)


def _fresh(folder: Path) -> None:
    """What a killed attempt left is plain data of patients: gone before anything else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)


def _sign_and_verify(platform: Platform, file: Path) -> None:
    sign_archive(file, platform.key, at=platform.clock.now())
    verify_archive(file, trusted=platform.key.public)


def _size_and_digest(file: Path) -> tuple[int, str]:
    with file.open("rb") as stream:
        return file.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest()


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as stream:
        while block := await asyncio.to_thread(stream.read, _READ):
            yield block
