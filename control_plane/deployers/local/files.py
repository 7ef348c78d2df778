"""What a tenant keeps outside its database, out as a tar and back in: its storage, and the key that seals what it reads again.

Files are read in a thread of their own and handed over piece by piece, so that nothing larger than a piece is held.
"""

import asyncio
import io
import os
import queue
import shutil
import tarfile
import threading
from collections.abc import AsyncGenerator, AsyncIterable
from pathlib import Path
from typing import Final

from control_plane.deployers.base import DeployerUnavailable, RuntimeRefused
from control_plane.deployers.local.environment import secrets_folder
from control_plane.deployers.local.placement import write_private
from control_plane.deployers.local.secrets import DATA_KEY

STORAGE: Final = "storage"
_KEY: Final = "data.key"
_PIECE: Final = 256 * 1024
_WAITING: Final = 16
"""Pieces that are read ahead."""
_END: Final = b""


async def packed(tenant: Path) -> AsyncGenerator[bytes, None]:
    """The tar. What is written meanwhile may be in it or not; a file that shrinks while it is read raises DeployerUnavailable."""
    pieces: queue.Queue[bytes | BaseException] = queue.Queue(_WAITING)
    left = threading.Event()
    loop = asyncio.get_running_loop()
    thread = loop.run_in_executor(None, _pack, tenant, _Pipe(pieces, left), pieces)
    try:
        while (piece := await loop.run_in_executor(None, pieces.get)) != _END:
            if isinstance(piece, BaseException):
                raise DeployerUnavailable(f"A file of the clinic changed while it was read: {piece}") from piece
            yield piece
    finally:
        left.set()
        while not thread.done():
            try:
                pieces.get_nowait()
            except queue.Empty:
                await asyncio.sleep(0.01)


async def unpack(tenant: Path, content: AsyncIterable[bytes]) -> None:
    """Put what a tar holds in the place of what is there, whole or not at all. May be repeated from any point it died at."""
    new, storage, old = (tenant / name for name in (f"{STORAGE}.new", STORAGE, f"{STORAGE}.old"))
    archive = tenant / f"{STORAGE}.tar"
    descriptor = os.open(archive, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            async for piece in content:
                await asyncio.to_thread(stream.write, piece)
        await asyncio.to_thread(_replace, archive, new, storage, old)
    finally:
        archive.unlink(missing_ok=True)


class _Pipe(io.RawIOBase):
    """What tarfile writes to: a queue that waits while its reader is slow, and gives up when the reader has left."""

    def __init__(self, pieces: "queue.Queue[bytes | BaseException]", left: threading.Event) -> None:
        self._pieces, self._left = pieces, left

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]  # whatever tarfile hands over is a buffer
        if piece:
            self.put(piece)
        return len(piece)

    def put(self, piece: bytes | BaseException) -> None:
        while not self._left.is_set():
            try:
                return self._pieces.put(piece, timeout=0.2)
            except queue.Full:
                continue
        raise BrokenPipeError


def _pack(tenant: Path, pipe: _Pipe, pieces: "queue.Queue[bytes | BaseException]") -> None:
    try:
        try:
            with tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_PIECE) as archive:
                _add(archive, secrets_folder(tenant) / DATA_KEY, _KEY)
                storage = tenant / STORAGE
                for path in sorted(storage.rglob("*")) if storage.exists() else ():
                    _add(archive, path, f"{STORAGE}/{path.relative_to(storage).as_posix()}")
        except OSError as error:
            pipe.put(error)
        else:
            pipe.put(_END)
    except BrokenPipeError:
        return


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Files and folders only; what went away since it was listed is left out."""
    try:
        member = archive.gettarinfo(path, name)
    except FileNotFoundError:
        return
    if member is None or not (member.isfile() or member.isdir()):
        return
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    if member.isdir():
        archive.addfile(member)
        return
    # Two names for one file would be a link in the archive.
    member.type = tarfile.REGTYPE
    with path.open("rb") as stream:
        member.size = os.fstat(stream.fileno()).st_size
        archive.addfile(member, stream)


def _replace(archive: Path, new: Path, storage: Path, old: Path) -> None:
    if old.exists() and not storage.exists():
        # It died between the two renames below.
        old.rename(storage)
    for left_over in (new, old):
        if left_over.exists():
            shutil.rmtree(left_over)
    new.mkdir(mode=0o700)
    try:
        with tarfile.open(archive) as content:
            for member in content:
                _extract(content, member, new)
    except tarfile.TarError as error:
        raise _unreadable(str(error)) from error
    if (new / _KEY).exists():
        folder = secrets_folder(storage.parent)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(folder / DATA_KEY, (new / _KEY).read_text(encoding="utf-8").strip())
    (new / STORAGE).mkdir(mode=0o700, exist_ok=True)
    if storage.exists():
        storage.rename(old)
    (new / STORAGE).rename(storage)
    for left_over in (new, old):
        if left_over.exists():
            shutil.rmtree(left_over)


def _extract(content: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Write one member under the folder: nothing but files and folders, and nothing that leaves it."""
    parts = Path(member.name).parts
    if ".." in parts or Path(member.name).is_absolute() or not (member.isfile() or member.isdir()):
        raise _unreadable(f"it holds {member.name!r}")
    target = folder.joinpath(*parts)
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        return
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    source = content.extractfile(member)
    assert source is not None
    with source, target.open("wb") as stream:
        shutil.copyfileobj(source, stream)
    target.chmod(0o600)


def _unreadable(why: str) -> RuntimeRefused:
    return RuntimeRefused(f"The files of this backup cannot be read: {why}. Use another backup.", answered=422, code="files_unreadable")
