"""Stands in for `dentalpin serve`: speaks the status protocol, serves a shared socket, drains. Behaviour comes from behaviour.json.

{"fail": code} refuses to start · {"hang": true} never gets ready · {"idle": file} leaves when that file appears ·
{"print": text} on stderr · every start appends {pid, keep_old} to starts.jsonl
"""

import asyncio
import base64
import json
import os
import signal
import socket
import sys
from pathlib import Path

HERE = Path.cwd()
IDLE_CONNECTION_SECONDS = 0.2


def say(**event):
    os.write(int(os.environ["DENTALPIN_STATUS_FD"]), json.dumps(event).encode() + b"\n")


def behaviour():
    file = HERE / "behaviour.json"
    return json.loads(file.read_text()) if file.exists() else {}


class Runtime:
    def __init__(self):
        self.draining = False
        self.connections = 0
        self.gone = asyncio.Event()
        self.leave = asyncio.Event()
        self.idle = None

    async def serve(self):
        with (HERE / "starts.jsonl").open("a") as log:
            log.write(json.dumps({"pid": os.getpid(), "keep_old": os.environ.get("DENTALPIN_KEEP_OLD")}) + "\n")
        asked = behaviour()
        if "print" in asked:
            print(asked["print"], file=sys.stderr, flush=True)
        if "fail" in asked:
            say(event="failed", code=asked["fail"], reason=asked.get("reason", "as asked"))
            return 3
        say(event="step", name="boot")
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.leave.set)
        if asked.get("hang"):
            await asyncio.Event().wait()
        shared = socket.socket(fileno=int(os.environ["DENTALPIN_LISTEN_FD"]))
        server = await asyncio.start_server(self.connection, sock=shared)
        control = await asyncio.start_server(self.connection, "127.0.0.1", 0)
        port = control.sockets[0].getsockname()[1]
        generation = json.loads((HERE / "revision.json").read_text())["generation"] if (HERE / "revision.json").exists() else None
        say(event="ready", pid=os.getpid(), control=f"http://127.0.0.1:{port}", generation=generation)
        if "idle" in asked:
            self.idle = asyncio.create_task(self.idle_when(HERE / asked["idle"], asked.get("wake_at")))
        await self.leave.wait()
        self.draining = True
        server.close()
        if self.idle is None or not self.idle.done():
            say(event="draining")
        if self.connections:
            await self.gone.wait()
        return 0

    async def idle_when(self, file, wake_at):
        while not file.exists() or self.connections:  # noqa: ASYNC110 - a test touches the file
            await asyncio.sleep(0.01)
        file.unlink()
        self.leave.set()
        await asyncio.sleep(0)
        say(event="idle", wake_at=wake_at)

    async def connection(self, reader, writer):
        self.connections += 1
        try:
            while await self.exchange(reader, writer):
                pass
        finally:
            writer.close()
            self.connections -= 1
            if not self.connections:
                self.gone.set()

    async def exchange(self, reader, writer):
        try:
            head = await self.head(reader)
        except (asyncio.IncompleteReadError, OSError, TimeoutError):
            return False
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        if path == "/restart":
            say(event="restart_wanted", reason="asked over HTTP")
        if path == "/crash":
            os.kill(os.getpid(), signal.SIGKILL)
        status = "404 Not Found" if path == "/missing" else "200 OK"
        authorization = next((line for line in head.decode().split("\r\n") if line.lower().startswith("authorization:")), None)
        if path == "/api/v1/modules/-/attestation":
            claims = json.loads(base64.urlsafe_b64decode(authorization.split(".")[1] + "=="))
            data = {"tenant_id": claims["aud"], "generation": 1, "identity": "i", "effect": "e", "core_version": "1.0.0"}
            body = json.dumps({"data": data | {"healthy": claims["purpose"] == "attest", "pid": os.getpid()}}).encode()
        else:
            body = json.dumps({"data": {"pid": os.getpid(), "method": method, "path": path, "authorization": authorization}}).encode()
        closing = b"Connection: close\r\n" if self.draining else b""
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n".encode() + closing + b"\r\n" + body)
        await writer.drain()
        return not closing

    async def head(self, reader):
        """The next request's head; an idle connection of a draining process is given up after a moment."""
        reading = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
        while not reading.done():
            await asyncio.wait({reading}, timeout=IDLE_CONNECTION_SECONDS)
            if self.draining and not reading.done():
                reading.cancel()
                raise TimeoutError
        return reading.result()


sys.exit(asyncio.run(Runtime().serve()))
