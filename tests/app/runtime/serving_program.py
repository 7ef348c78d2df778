"""One process of a hand-over: serves a small application on the inherited socket until SIGTERM, then drains. Started by test_server.py."""

import asyncio
import os
import signal
import socket
import sys

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from app.core.runtime.server import RuntimeServer
from app.core.runtime.sockets import control_socket


async def work(request):
    """An answer that takes a few rounds of the loop, as one with a database does."""
    body = await request.body()
    for _ in range(5):
        await asyncio.sleep(0)
    return PlainTextResponse(f"{os.getpid()} {len(body)}")


async def main(fd, http):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    listening = socket.socket(fileno=fd)
    listening.setblocking(False)
    server = RuntimeServer(
        Starlette(routes=[Route("/", work, methods=["GET", "POST"])]), public=listening, control=control_socket(), http=http
    )
    await server.start()
    print("ready", flush=True)
    await stop.wait()
    await server.drain()
    await server.stop()
    print(server.requests, flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
