"""What a copy of a clinic cannot do. The fences cannot be taken down, so each is put up in a process of its own."""

import json
import subprocess
import sys
import textwrap

import pytest

ATTEMPTS = """
    import asyncio, ctypes, json, os, smtplib, socket, struct, subprocess, sys, urllib.request
    from app.core.copies.guard import put_up

    def listening():
        server = socket.create_server(("127.0.0.1", 0))
        return server, server.getsockname()[1]

    database, port = listening()
    elsewhere, other = listening()
    path = os.path.join(os.getcwd(), "elsewhere.sock")
    local = socket.socket(socket.AF_UNIX)
    local.bind(path)
    local.listen()

    def to_path():
        socket.socket(socket.AF_UNIX).connect(path)

    def datagram():
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"patient", ("127.0.0.1", other))

    async def stream(where):
        _, writer = await asyncio.open_connection("127.0.0.1", where)
        writer.close()

    def in_c():
        libc = ctypes.CDLL(None, use_errno=True)
        address = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(other), socket.inet_aton("127.0.0.1"))
        if libc.connect(libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0), address, 16) != 0:
            raise OSError(ctypes.get_errno(), "connect")

    def ask_outside():
        urllib.request.urlopen(f"http://127.0.0.1:{other}/", timeout=5)

    attempts = {
        "database": lambda: socket.create_connection(("127.0.0.1", port)).close(),
        "database, as asyncpg does": lambda: asyncio.run(stream(port)),
        "local name": lambda: socket.getaddrinfo("localhost", port),
        "listening": lambda: listening()[0].close(),
        "stream": lambda: asyncio.run(stream(other)),
        "web": ask_outside,
        "mail": lambda: smtplib.SMTP("127.0.0.1", other, timeout=5),
        "datagram": datagram,
        "socket in a folder": to_path,
        "name": lambda: socket.getaddrinfo("mail.example.com", 25),
        "name, the old way": lambda: socket.gethostbyname("mail.example.com"),
        "program": lambda: subprocess.run(["curl", "--version"]),
        "python": lambda: subprocess.run([sys.executable, "-c", "pass"]),
        "shell": lambda: os.system("true"),
        "connection in C": in_c,
    }
    put_up(f"postgresql://tenant:secret@127.0.0.1:{port}/tenant")
    outcome = {}
    for name, attempt in attempts.items():
        try:
            attempt()
        except OSError as error:
            outcome[name] = type(getattr(error, "reason", error)).__name__
        else:
            outcome[name] = "done"
    elsewhere.settimeout(0)
    try:
        elsewhere.accept()
    except BlockingIOError:
        outcome["heard elsewhere"] = "nothing"
    print(json.dumps(outcome))
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    program = textwrap.dedent(ATTEMPTS)
    folder = tmp_path_factory.mktemp("copy")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=folder, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_copy_reaches_its_database_and_serves(outcome):
    allowed = ("database", "database, as asyncpg does", "local name", "listening")

    assert {name: outcome[name] for name in allowed} == dict.fromkeys(allowed, "done")


def test_a_copy_reaches_nobody_else_by_no_way_python_has(outcome):
    refused = (
        "stream", "web", "mail", "datagram", "socket in a folder", "name", "name, the old way", "program", "python", "shell"
    )  # fmt: skip

    assert {name: outcome[name] for name in refused} == dict.fromkeys(refused, "SendsNothing")
    assert outcome["heard elsewhere"] == "nothing"


def test_the_kernel_keeps_code_in_other_languages_in(outcome):
    has_landlock = "import sys; from app.core.copies.landlock import confine_tcp; sys.exit(0 if confine_tcp([5432]) else 1)"
    if subprocess.run([sys.executable, "-c", has_landlock], check=False).returncode != 0:
        pytest.skip("this kernel has no Landlock for networks")

    assert outcome["connection in C"] == "PermissionError"
