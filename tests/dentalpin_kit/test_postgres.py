"""The embedded server: found, started, reused, stopped, and back after a kill."""

import os
import signal
import stat
import subprocess
from pathlib import Path

import asyncpg
import pytest

from dentalpin_kit.postgres import EmbeddedServer, PostgresError, find_binaries


@pytest.fixture
def server(tmp_path):
    found = EmbeddedServer(tmp_path / "private" / "pg", durable=False)
    yield found
    found.stop()


async def test_a_first_start_answers_with_a_password_and_a_second_start_finds_it(server):
    first = server.start()
    second = EmbeddedServer(server.root, durable=False).start()

    assert first == second
    connection = await asyncpg.connect(first.url())
    assert await connection.fetchval("select 1") == 1
    await connection.close()


async def test_a_wrong_password_is_refused(server):
    address = server.start()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(address.url().replace(address.password, "wrong"))


def test_after_kill_nine_of_the_server_the_next_start_serves_the_same_data_on_the_same_port(server):
    address = server.start()
    os.kill(server.pid(), signal.SIGKILL)

    again = server.start()

    assert again == address


def test_folders_above_the_data_keep_their_mode(tmp_path):
    parent = tmp_path / "closed"
    parent.mkdir(mode=0o700)
    server = EmbeddedServer(parent / "pg", durable=False)
    server.start()
    try:
        assert stat.S_IMODE(parent.stat().st_mode) == 0o700
    finally:
        server.stop()


def test_a_taken_port_is_replaced_and_the_new_one_kept(server):
    import socket

    address = server.start()
    server.stop()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", address.port))
        squatter.listen()
        moved = server.start()
    assert moved.port != address.port
    server.stop()
    assert server.start().port == moved.port


def test_the_remains_of_another_process_under_the_same_pid_do_not_stop_a_start(server):
    server.start()
    server.stop()
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        (server.data / "postmaster.pid").write_text(f"{bystander.pid}\n{server.data}\n")
        assert server.start()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_forced_folder_without_a_server_says_what_to_do(tmp_path):
    with pytest.raises(PostgresError, match="PG_BINDIR=.*holds no PostgreSQL server"):
        find_binaries(forced=tmp_path)


def test_data_of_another_major_is_refused_with_what_to_do(tmp_path):
    forced = find_binaries().bindir
    with pytest.raises(PostgresError, match="data folder was made by 14"):
        find_binaries(major=14, forced=Path(forced))
