"""Real processes of one tenant's runtime, started as the supervisor starts them: a shared socket, a status pipe, an environment."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from dentalpin_kit import tokens
from tests.support.http_clients import until
from tests.support.postgres import TenantDatabase
from tests.support.revisions import PLATFORM_KEY, TENANT_ID

START_WITHIN = 120
SERVE = ("-m", "app.cli.main", "serve")
SECRET_KEY = "only for tests, and long enough to be accepted"
Json = dict[str, Any]


class RuntimeFailed(AssertionError):
    pass


@dataclass
class RuntimeProcess:
    """One started process; `events` are the lines of its status channel so far."""

    process: asyncio.subprocess.Process
    status: asyncio.StreamReader
    log: Path
    events: list[Json] = field(default_factory=list)
    last: Json = field(default_factory=dict)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def steps(self) -> list[str]:
        return [event["name"] for event in self.events if event["event"] == "step"]

    async def event(self, kind: str) -> Json:
        """Wait for the next event of this kind. Fails with the log when the process ends before."""
        async with asyncio.timeout(START_WITHIN):
            while line := await self.status.readline():
                event: Json = json.loads(line)
                self.events.append(event)
                if event["event"] == kind:
                    return event
        raise RuntimeFailed(f"no {kind!r} among {self.events}\n{self.tail()}")

    async def ready(self) -> "RuntimeProcess":
        self.control = (await self.event("ready"))["control"]
        return self

    async def ended(self) -> int:
        async with asyncio.timeout(START_WITHIN):
            return await self.process.wait()

    async def drain(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def get(self, path: str, **headers: str) -> tuple[int, Json]:
        """Ask this very process on its control channel: status and JSON body."""
        return await get_json(*self.control.removeprefix("http://").split(":"), path, **headers)

    async def attestation(self, **changes: Any) -> Json:
        status, body = await self.get("/api/v1/modules/-/attestation", Authorization=f"Bearer {platform_token(**changes)}")
        assert status == 200, body
        attestation: Json = body["data"]
        return attestation

    async def attests(self, **wanted: Any) -> Json:
        """Ask until the attestation says this; the attestation."""

        async def says() -> bool:
            self.last = await self.attestation()
            return all(self.last[name] == value for name, value in wanted.items())

        await until(says)
        return self.last

    def tail(self) -> str:
        return self.log.read_text()[-6000:] if self.log.exists() else "(no log)"


class TenantRuntime:
    """A tenant's folder, database and socket; `start` starts one process after the other, or several at once."""

    def __init__(self, folder: Path, database: TenantDatabase, **environment: str) -> None:
        self.folder = folder
        self.database = database
        self.environment = environment
        self.listening = socket.socket()
        self.listening.bind(("127.0.0.1", 0))
        self.listening.listen(128)
        self._processes: list[RuntimeProcess] = []

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.listening.getsockname()
        return host, port

    def revise(self, document: Mapping[str, Any]) -> None:
        (self.folder / "revision.json").write_text(json.dumps(document))

    def variables(self, **changes: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
        given = {
            "DATABASE_URL": self.database.app_url,
            "OWNER_DATABASE_URL": self.database.owner_url,
            "PG_BINDIR": str(self.database.bindir),
            "DENTALPIN_SECRET_KEY": SECRET_KEY,
            "DENTALPIN_STORAGE": str(self.folder / "storage"),
            "DENTALPIN_LOG_FILE": str(self.folder / "runtime.log"),
        }
        if (self.folder / "revision.json").exists():
            given["DENTALPIN_REVISION_FILE"] = str(self.folder / "revision.json")
        return {**kept, **given, **self.environment, **changes}

    async def start(
        self, *, supervised: bool = True, status: bool = True, program: Sequence[str] = SERVE, **changes: str
    ) -> RuntimeProcess:
        """Start a process; `supervised` hands it the shared socket, `status` a channel on which its events arrive."""
        reading, writing = os.pipe()
        variables = self.variables(**{"DENTALPIN_PARENT_PID": str(os.getpid()), **changes})
        fds = []
        if status:
            variables["DENTALPIN_STATUS_FD"] = str(writing)
            fds.append(writing)
        if supervised:
            variables["DENTALPIN_LISTEN_FD"] = str(self.listening.fileno())
            fds.append(self.listening.fileno())
        process = await asyncio.create_subprocess_exec(sys.executable, *program, env=variables, pass_fds=fds, cwd=self.folder)
        os.close(writing)
        channel = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(channel), os.fdopen(reading, "rb"))
        started = RuntimeProcess(process, channel, self.folder / "runtime.log")
        self._processes.append(started)
        return started

    async def serve(self, **changes: str) -> RuntimeProcess:
        """Start a process and wait until it is ready."""
        return await (await self.start(**changes)).ready()

    async def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `dentalpin` for this tenant; fails unless it ends with 0."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.cli.main",
            *arguments,
            env=self.variables(),
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, (out + err).decode()
        return subprocess.CompletedProcess(arguments, 0, out.decode(), err.decode())

    async def close(self) -> None:
        for started in self._processes:
            if started.process.returncode is None:
                started.process.kill()
                await started.process.wait()
        self.listening.close()


def platform_token(purpose: str = "attest", audience: str = TENANT_ID, key: tokens.SigningKey = PLATFORM_KEY) -> str:
    return tokens.sign(key, audience=audience, purpose=purpose, lifetime=timedelta(seconds=60))


async def get_json(host: str, port: str | int, path: str, *, method: str = "GET", **headers: str) -> tuple[int, Json]:
    """One request without a body, on a connection of its own: status and JSON body."""
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {host}:{port}",
        "Connection: close",
        "Content-Length: 0",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), json.loads(body)
