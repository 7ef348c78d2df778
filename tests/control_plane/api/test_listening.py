"""An answer of the API leaves at once, also over a socket that the process was given."""

import asyncio
import os
import socket

from control_plane.api import listening


async def test_a_given_socket_sends_at_once_and_is_no_childs():
    with socket.create_server(("127.0.0.1", 0)) as parents:
        given = os.dup(parents.fileno())
        os.set_inheritable(given, True)
        accepted = asyncio.get_running_loop().create_future()

        async def serve(_reader, writer):
            accepted.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        server = await asyncio.start_server(serve, sock=listening(given))
        _, writer = await asyncio.open_connection(*parents.getsockname())

        assert await accepted != 0
        assert not os.get_inheritable(given)
        writer.close()
        server.close()
