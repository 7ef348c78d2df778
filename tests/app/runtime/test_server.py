import asyncio
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.support.http_clients import LoopingClients

PROGRAM = Path(__file__).with_name("serving_program.py")
HAND_OVERS = 8


@pytest.fixture
def listening():
    with socket.socket() as shared:
        shared.bind(("127.0.0.1", 0))
        shared.listen(128)
        yield shared


async def start(listening, http="auto"):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        PROGRAM,
        str(listening.fileno()),
        http,
        pass_fds=[listening.fileno()],
        stdout=asyncio.subprocess.PIPE,
    )
    assert (await process.stdout.readline()) == b"ready\n"
    return process


async def end(process):
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.wait(), 60)
    return process.returncode


@pytest.mark.parametrize("http", ["httptools", "h11"])
@pytest.mark.parametrize("body", [b"", b"x" * 20_000], ids=["get", "post"])
async def test_no_request_fails_while_processes_follow_each_other(listening, http, body):
    clients = LoopingClients(*listening.getsockname(), body=body)
    serving = await start(listening, http)
    clients.start(8)
    for _ in range(HAND_OVERS):
        await clients.answers(100)
        following = await start(listening, http)
        assert await end(serving) == 0
        serving = following
    await clients.stop()
    await end(serving)

    assert clients.failures == []
    assert clients.statuses.keys() == {200}
    assert len({body.split()[0] for body in clients.bodies}) == HAND_OVERS + 1


async def test_a_connection_that_arrives_while_nobody_accepts_waits_for_the_next_process(listening):
    await end(await start(listening))
    clients = LoopingClients(*listening.getsockname())
    clients.start(4)

    following = await start(listening)
    await clients.answers(20)
    await clients.stop()
    await end(following)

    assert clients.failures == []


async def test_an_idle_connection_is_closed_after_a_moment_of_draining(listening):
    serving = await start(listening)
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    writer.write(b"GET / HTTP/1.1\r\nHost: clinic\r\n\r\n")
    assert b"200" in await reader.readline()

    assert await end(serving) == 0
    assert (await reader.read()).endswith(b" 0")
    writer.close()


async def test_a_request_under_way_is_answered_with_connection_close(listening):
    serving = await start(listening)
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    writer.write(b"POST / HTTP/1.1\r\nHost: clinic\r\nContent-Length: 4\r\n\r\nab")
    await writer.drain()
    # Another connection, answered afterwards, shows that the first was accepted.
    other = LoopingClients(*listening.getsockname())
    other.start(1)
    await other.answers(1)
    await other.stop()

    serving.send_signal(signal.SIGTERM)
    writer.write(b"cd")
    answer = await asyncio.wait_for(reader.read(), 30)

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer
    assert await serving.wait() == 0
    writer.close()
