"""An answer of a runtime leaves at once, over a socket it made and over one it was given."""

import asyncio
import os
import socket
from types import SimpleNamespace

import pytest

from app.core.runtime.sockets import public_socket


@pytest.mark.parametrize("given", [True, False])
async def test_what_is_written_is_sent_without_waiting_for_more(given):
    with socket.create_server(("127.0.0.1", 0)) as parents:
        listening = public_socket(SimpleNamespace(listen_fd=os.dup(parents.fileno()) if given else None, host="127.0.0.1", port=0))
        listening.listen()
        accepted = asyncio.get_running_loop().create_future()

        async def serve(_reader, writer):
            accepted.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        server = await asyncio.start_server(serve, sock=listening)
        _, writer = await asyncio.open_connection(*listening.getsockname())

        assert await accepted != 0
        writer.close()
        server.close()
