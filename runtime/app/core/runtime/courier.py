"""`dentalpin courier`: carries what a clinic keeps outside its database out of its volume and back in, for the platform.

A process of its own beside the clinic's, or instead of it, where nobody but a pod reaches the volume (a Kubernetes Job). It answers on
the control port, to tokens the platform signed for this tenant and this purpose, and to nothing else:

    GET /files    a tar: `data.key`, and everything under `storage/`
    PUT /files    puts such a tar in the place of what is there; answers with its data key
    GET /export   the export archive, as `dentalpin export` writes it
    GET /health/live
"""

import asyncio
import io
import os
import queue
import shutil
import tarfile
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from app.config import Settings
from app.core.exports import exporting
from app.core.runtime.forwarded import AUTHORIZATION, FORWARDED
from app.core.runtime.revision import RevisionDocument
from dentalpin_kit.logs import scrub
from dentalpin_kit.problems import DomainError
from dentalpin_kit.tokens import verify

PURPOSE: Final = "courier"
KEY: Final = "data.key"
STORAGE: Final = "storage"
OWN: Final = (".incoming", ".outgoing", ".archives")
"""Folders of the storage that are no part of what a clinic keeps."""
_PIECE: Final = 256 * 1024
_AHEAD: Final = 16


def create_courier(settings: Settings) -> Starlette:
    """Raises RevisionUnreadable: without a revision nobody knows whose tokens to believe."""
    assert settings.revision_file is not None, "a courier carries for a platform"
    revision = RevisionDocument.read(settings.revision_file)

    async def live(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def files(request: Request) -> Response:
        _believe(request, revision)
        if request.method == "GET":
            return StreamingResponse(_packed(settings), media_type="application/x-tar")
        return JSONResponse({"data": {"data_key": await _unpack(settings.storage, request.stream())}})

    async def export(request: Request) -> Response:
        _believe(request, revision)
        assert settings.owner_database_url is not None
        folder = settings.storage / ".outgoing"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        file = folder / "archive.zip"
        key = settings.data_key.get_secret_value() if settings.data_key else None
        url = settings.owner_database_url.get_secret_value()
        await exporting.export(owner_url=url, storage=settings.storage, file=file, data_key=key, bindir=settings.pg_bindir)
        return FileResponse(file, media_type="application/zip", background=BackgroundTask(shutil.rmtree, folder, True))

    return Starlette(
        routes=[
            Route("/health/live", live),
            Route("/files", files, methods=["GET", "PUT"]),
            Route("/export", export),
        ],
        exception_handlers={DomainError: _refused, OSError: _failed, tarfile.TarError: _failed},
    )


def _believe(request: Request, revision: RevisionDocument) -> None:
    """Raises TokenRefused."""
    given = request.headers.get(FORWARDED.decode()) or request.headers.get(AUTHORIZATION.decode()) or ""
    verify(given.removeprefix("Bearer ").strip(), revision.platform.public_key, audience=str(revision.tenant.id), purpose=PURPOSE)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)
    return _said(error.status, scrub(error.message), error.code)


async def _failed(request: Request, error: Exception) -> Response:
    return _said(422 if isinstance(error, tarfile.TarError) else 503, scrub(str(error)), "files_unreadable")


def _said(status: int, message: str, code: str) -> JSONResponse:
    return JSONResponse({"data": None, "message": message, "errors": [{"code": code}]}, status_code=status)


class _Pipe(io.RawIOBase):
    """What tarfile writes to: a queue that waits while its reader is slow, and gives up when the reader has left."""

    def __init__(self) -> None:
        self.pieces: queue.Queue[bytes | BaseException] = queue.Queue(_AHEAD)
        self.left = threading.Event()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        if piece:
            self.put(piece)
        return len(piece)

    def put(self, piece: bytes | BaseException) -> None:
        while not self.left.is_set():
            with suppress(queue.Full):
                return self.pieces.put(piece, timeout=0.2)
        raise BrokenPipeError


async def _packed(settings: Settings) -> AsyncIterator[bytes]:
    """The tar, read in a thread. What shrinks while it is read ends the answer short, and so tells its reader."""
    pipe, loop = _Pipe(), asyncio.get_running_loop()
    thread = loop.run_in_executor(None, _pack, settings, pipe)
    try:
        while (piece := await loop.run_in_executor(None, pipe.pieces.get)) != b"":
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        pipe.left.set()
        await asyncio.wait({thread}, timeout=5)


def _pack(settings: Settings, pipe: _Pipe) -> None:
    try:
        try:
            with tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_PIECE) as archive:
                if settings.data_key is not None:
                    held = settings.data_key.get_secret_value().encode()
                    member = tarfile.TarInfo(KEY)
                    member.size, member.mode = len(held), 0o600
                    archive.addfile(member, io.BytesIO(held))
                for path in _kept(settings.storage):
                    _add(archive, path, f"{STORAGE}/{path.relative_to(settings.storage).as_posix()}")
        except OSError as error:
            pipe.put(error)
        else:
            pipe.put(b"")
    except BrokenPipeError:
        return


def _kept(storage: Path) -> Iterator[Path]:
    for path in sorted(storage.rglob("*")) if storage.exists() else ():
        if path.relative_to(storage).parts[0] not in OWN and not path.is_symlink() and (path.is_file() or path.is_dir()):
            yield path


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    member = archive.gettarinfo(path, name)
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


async def _unpack(storage: Path, content: AsyncIterator[bytes]) -> str | None:
    """The data key in the tar. May be repeated from any point it died at: what comes in is complete before anything there goes."""
    incoming = storage / ".incoming"
    await asyncio.to_thread(shutil.rmtree, incoming, ignore_errors=True)
    incoming.mkdir(mode=0o700, parents=True)
    with tempfile.TemporaryFile(dir=incoming) as archive:
        async for piece in content:
            await asyncio.to_thread(archive.write, piece)
        archive.seek(0)
        return await asyncio.to_thread(_replace, archive, storage, incoming)


def _replace(archive: Any, storage: Path, incoming: Path) -> str | None:
    with tarfile.open(fileobj=archive) as content:
        content.extractall(incoming, filter="data")
    new = incoming / STORAGE
    new.mkdir(mode=0o700, exist_ok=True)
    for old in storage.iterdir():
        if old.name not in OWN:
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    for one in new.iterdir():
        one.rename(storage / one.name)
    key = incoming / KEY
    found = key.read_text(encoding="utf-8").strip() if key.exists() else None
    shutil.rmtree(incoming)
    return found


def run(settings: Settings) -> None:
    """Serve until told to stop."""
    import uvicorn

    uvicorn.run(create_courier(settings), host=settings.control_host, port=settings.control_port or 8001, log_config=None, access_log=False)
