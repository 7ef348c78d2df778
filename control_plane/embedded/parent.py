"""The platform's parent process: brings everything up in order, keeps it up, takes it down in order.

One per data folder, by a lock that the kernel releases however this process ends. The processes it starts die with it; PostgreSQL
outlives a kill and is found again.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx2

from control_plane.deployers.local.placement import write_private
from control_plane.deployers.local.settings import announcement
from control_plane.embedded import demo_billing, runtime_env, schema, simulated_cluster
from control_plane.embedded.children import Child, ended, retry_after
from control_plane.embedded.databases import Databases, prepare
from control_plane.embedded.demo_billing import DemoBilling
from control_plane.embedded.layout import EmbeddedError, Facts, Layout, Options, Report
from control_plane.embedded.simulated_cluster import SimulatedCluster
from dentalpin_kit.ports import listen_on_free
from dentalpin_kit.postgres import EmbeddedServer, PostgresError

USUAL_PORTS = range(8000, 8010)
READY_SECONDS = 90.0
LOOK_SECONDS = 0.05
NOT_FOR_SUPERVISOR = frozenset({"DATABASE_URL", "TENANT_DATABASE_ADMIN_URL"})

log = logging.getLogger(__name__)


class Parent:
    def __init__(self, options: Options, report: Report) -> None:
        self.options = options
        self.layout = Layout(options.data)
        self._report = report
        self._stop = asyncio.Event()
        self._children: list[Child] = []
        self._server: EmbeddedServer | None = None
        self._watch: asyncio.Task[None] | None = None
        self._postgres_restarts = 0
        self._state = "starting"
        self.demo_problem: str | None = None
        """Why the demonstration clinic that was asked for is not there."""

    async def run(self, ready: Callable[[], None]) -> None:
        """Everything from start to end. `ready` is called once the platform answers. Raises EmbeddedError when it cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop)
        try:
            starting = asyncio.create_task(self._start())
            stopping = asyncio.create_task(self._stop.wait())
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                self._state = "running"
                self._note()
                ready()
                await stopping
            else:
                starting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await starting
        finally:
            await self._take_down()

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():
            for child in self._children:
                child.hurry()
        self._stop.set()

    # Up

    async def _start(self) -> None:
        socket_, facts = self._bind()
        cluster = self._start_cluster() if facts.simulated_cluster else None
        billing = self._start_billing(facts) if demo_billing.wanted(os.environ) else None
        environment = asyncio.create_task(asyncio.to_thread(self._ensure_runtime))
        try:
            databases = await prepare(self.layout)
            self._server = databases.server
            self._report(databases.description)
            await schema.bring_up(databases.platform_url)
        finally:
            # A thread cannot be cancelled: leaving now would leave it writing.
            await asyncio.wait({environment})
        await environment
        facts.write(self.layout)
        if billing is not None:
            billing = await demo_billing.connect(self.layout, facts, billing)
        self._spawn(databases, facts, socket_, billing, cluster)
        socket_.close()
        await self._wait_ready(facts)
        if cluster is not None:
            await simulated_cluster.register(self.layout, facts, cluster)
        next(child for child in self._children if child.name == "worker").start()
        if self.options.demo:
            await self._demonstrate(facts)

    async def _demonstrate(self, facts: Facts) -> None:
        """Make the demonstration clinic. One that cannot be made is said, and keeps nobody from using the platform."""
        from control_plane.embedded.demo import ensure_demo

        try:
            await ensure_demo(self.layout, facts, self._report)
        except (EmbeddedError, httpx2.HTTPError, OSError) as error:
            reason = str(error) or type(error).__name__
            self.demo_problem = reason
            log.warning("the demonstration clinic is not complete: %s", reason)
            self._report(f"{reason}\nDentalPin runs without its demo clinic. To go on with it: ./dev down, then ./dev up --demo again.")

    def _ensure_runtime(self) -> None:
        if self.options.runtime_env is not None:
            runtime_env.check_given(self.options.runtime_env)
        else:
            runtime_env.ensure(self.layout.own_runtime, self._report)

    def _bind(self) -> tuple[socket.socket, Facts]:
        """The API's socket, on the port of last time. It is bound here once, so that a restart of the API loses no connection."""
        kept = Facts.read(self.layout)
        simulated_cluster.check(kept, self.options.simulated_cluster)
        host = self.options.host
        usual = (kept.port,) if kept else USUAL_PORTS
        try:
            listening = listen_on_free(host, first=usual)
        except OSError as error:
            raise EmbeddedError(f"--host {host}: {error.strerror}. Name an address of this machine, or 0.0.0.0 for all.") from error
        if kept and listening.getsockname()[1] != kept.port:
            self._report(f"Port {kept.port} is taken by another program.")
        port = listening.getsockname()[1]
        public_url = (self.options.public_url or f"http://{_reachable(host)}:{port}").rstrip("/")
        chosen = self.options.runtime_env or self.layout.own_runtime
        return listening, Facts(host, port, public_url, str(chosen), self.options.simulated_cluster)

    def _start_billing(self, facts: Facts) -> DemoBilling:
        """Start the payment provider's double. It comes up while everything else does."""
        listening, known = demo_billing.bind(self.layout, facts.host)
        public = urlsplit(facts.public_url).hostname or _reachable(facts.host)
        fd = os.dup(listening.fileno())
        listening.close()
        arguments = demo_billing.arguments(self.layout, fd, f"http://{public}:{known.port}")
        child = Child(
            "payments",
            [sys.executable, "-m", "control_plane.simulators.stripe", *arguments],
            dict(os.environ),
            self.layout.logs / "payments.log",
            pass_fds=[fd],
            changed=self._note,
        )
        self._children.append(child)
        child.start()
        return known

    def _start_cluster(self) -> SimulatedCluster:
        """Start the double of a cluster's API server. It comes up while everything else does."""
        listening, known = simulated_cluster.bind(self.layout)
        fd = os.dup(listening.fileno())
        listening.close()
        child = Child(
            "cluster",
            [
                sys.executable,
                "-m",
                "control_plane.simulators.kubernetes",
                "--fd",
                str(fd),
                "--token-file",
                str(self.layout.simulated_token),
                "--certificate",
                str(self.layout.simulated_certificate),
                "--certificate-key",
                str(self.layout.simulated_certificate_key),
            ],
            dict(os.environ),
            self.layout.logs / "cluster.log",
            pass_fds=[fd],
            changed=self._note,
        )
        self._children.append(child)
        child.start()
        return known

    def _spawn(
        self,
        databases: Databases,
        facts: Facts,
        listening: socket.socket,
        billing: DemoBilling | None,
        cluster: SimulatedCluster | None,
    ) -> None:
        announcement(self.layout.data).unlink(missing_ok=True)
        environment = {
            **os.environ,
            "DATABASE_URL": databases.platform_url,
            "TENANT_DATABASE_ADMIN_URL": databases.admin_url,
            "DENTALPIN_DATA": str(self.layout.data),
            "DENTALPIN_RUNTIME_ENV": facts.runtime_env,
            "DENTALPIN_HOST": facts.host,
            "DENTALPIN_PORT": str(facts.port),
            "DENTALPIN_PUBLIC_HOST": urlsplit(facts.public_url).hostname or _reachable(facts.host),
            "PUBLIC_URL": facts.public_url,
            "PYTHONUNBUFFERED": "1",
        }
        if databases.bindir is not None:
            environment["PG_BINDIR"] = str(databases.bindir)
        if billing is not None:
            environment |= billing.environment()
        if cluster is not None:
            environment |= cluster.environment()
        # The supervisor never sees a database password or a payment provider's key: tenants' secrets are files, the platform's are not
        # its business.
        without = {name: value for name, value in environment.items() if name not in NOT_FOR_SUPERVISOR and "STRIPE" not in name}
        fd = listening.fileno()
        self._children += [
            self._child("supervisor", "control_plane.deployers.local", without),
            self._child("api", "control_plane.api", environment | {"DENTALPIN_LISTEN_FD": str(os.dup(fd))}),
            self._child("worker", "control_plane.worker", environment),
        ]
        for child in self._children:
            # The worker follows when the API answers: nobody waits for it, and a small machine is busy with the others.
            if child.name not in ("worker", "payments", "cluster"):
                child.start()
        if self._server is not None:
            self._watch = asyncio.create_task(self._keep_postgres(self._server), name="postgres")

    def _child(self, name: str, module: str, environment: dict[str, str]) -> Child:
        pass_fds = [int(environment["DENTALPIN_LISTEN_FD"])] if "DENTALPIN_LISTEN_FD" in environment else []
        arguments = [sys.executable, "-m", module]
        return Child(name, arguments, environment, self.layout.logs / f"{name}.log", pass_fds=pass_fds, changed=self._note)

    async def _wait_ready(self, facts: Facts) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_SECONDS
        missing = "supervisor"
        async with httpx2.AsyncClient(timeout=5) as client:
            while loop.time() < deadline:
                if not announcement(self.layout.data).exists():
                    missing = "supervisor"
                elif not await _answers(client, f"{facts.api}/health/ready"):
                    missing = "api"
                else:
                    return
                if any(child.restarts >= 3 for child in self._children):
                    missing = next(child.name for child in self._children if child.restarts >= 3)
                    break
                await asyncio.sleep(LOOK_SECONDS)
        child = next(child for child in self._children if child.name == missing)
        tail = "\n".join(f"  {line}" for line in list(child.console.tail)[-12:])
        raise EmbeddedError(f"The {missing} does not become ready. The end of {child.console.file}:\n{tail}")

    # Keep up

    async def _keep_postgres(self, server: EmbeddedServer) -> None:
        failures = 0
        while True:
            pid = server.pid()
            if pid is not None:
                await ended(pid)
            failures += 1
            log.warning("PostgreSQL has ended; it is started again")
            await asyncio.sleep(retry_after(failures))
            try:
                await asyncio.to_thread(server.start)
                failures = 0
                self._postgres_restarts += 1
            except PostgresError as error:
                log.error("%s", error)
            self._note()

    def _note(self) -> None:
        """Write down which processes there are, for `./dev status`."""
        processes = [{"name": "platform", "pid": os.getpid(), "restarts": 0}]
        if self._server is not None:
            processes.append({"name": "postgres", "pid": self._server.pid(), "restarts": self._postgres_restarts})
        processes += [{"name": child.name, "pid": child.pid, "restarts": child.restarts} for child in self._children]
        write_private(self.layout.processes, json.dumps({"state": self._state, "processes": processes}, indent=1))

    # Down

    async def _take_down(self) -> None:
        if self._state == "running":
            self._report("Stopping …")
        self._state = "stopping"
        if self._watch is not None:
            self._watch.cancel()
        # The worker first, so that nothing asks for what is going away; PostgreSQL last.
        by_name = {child.name: child for child in self._children}
        await asyncio.gather(*(by_name[name].stop() for name in ("worker", "api") if name in by_name))
        await asyncio.gather(*(by_name[name].stop() for name in ("supervisor", "payments", "cluster") if name in by_name))
        if self._server is not None:
            try:
                await asyncio.to_thread(self._server.stop)
            except PostgresError as error:
                self._report(str(error))
        self.layout.processes.unlink(missing_ok=True)


async def _answers(client: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == 200
    except httpx2.HTTPError:
        return False


def _reachable(host: str) -> str:
    """The name by which others reach `host`: for "every address", the one this machine uses to go out."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return f"[{host}]" if ":" in host else host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing; it only asks the routing table.
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
