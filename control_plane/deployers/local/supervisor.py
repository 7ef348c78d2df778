"""All tenants of this machine, and the HTTP door through which the deployer speaks to them.

GET  /                      {pid, tenants}
GET  /tenants               every tenant as below
GET  /tenants/{id}          port, processes, state, last failure
PUT  /tenants/{id}          {slug, name, digest[, environment]}: run this; the same again changes nothing
POST /tenants/{id}/restart  hand over to a process started now
POST /tenants/{id}/wake     {seconds}: answers once a process serves or starting failed
POST /tenants/{id}/stop     answers once no process is left; the port is kept
DELETE /tenants/{id}        as stop, and the port is free

On loopback, with a bearer token; both are written to `<data>/run/supervisor.json`.
"""

import asyncio
import errno
import hmac
import json
import logging
import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from control_plane.deployers.local.environment import public_url, secrets_of, serve_command
from control_plane.deployers.local.http import Request, Response, answer
from control_plane.deployers.local.keeper import TenantKeeper
from control_plane.deployers.local.placement import BadSpec, Goal, Placement, PlacementStore, Spec, check_tenant_id, write_private
from control_plane.deployers.local.rules import Timing
from control_plane.deployers.local.settings import SupervisorSettings
from dentalpin_kit.ports import listen, listen_on_free

PORT_PATIENCE_SECONDS = 5.0
"""How long the port of a tenant may still be held by processes of a killed supervisor."""
STARTS_AT_ONCE = max(2, os.cpu_count() or 2)
LONGEST_WAKE = 120.0

log = logging.getLogger(__name__)


class Supervisor:
    def __init__(self, settings: SupervisorSettings, timing: Timing | None = None) -> None:
        self.settings = settings
        self.timing = timing or Timing()
        self.store = PlacementStore(settings.tenants)
        self.token = secrets.token_urlsafe(32)
        self._keepers: dict[str, TenantKeeper] = {}
        self._changing: dict[str, asyncio.Lock] = {}
        self._server: asyncio.Server | None = None
        self._resuming: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(STARTS_AT_ONCE)

    async def start(self) -> None:
        """Take up every tenant again on its port, then open the door."""
        for placement in self.store.load():
            await self._adopt(placement)
        for keeper in self._keepers.values():
            if keeper.owes_a_start:
                task = asyncio.create_task(self._resume(keeper))
                self._resuming.add(task)
                task.add_done_callback(self._resuming.discard)
        self._server = await asyncio.start_server(lambda reader, writer: answer(reader, writer, self.handle), "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.settings.announcement.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        announced = {"url": f"http://127.0.0.1:{port}", "token": self.token, "pid": os.getpid()}
        write_private(self.settings.announcement, json.dumps(announced))
        log.info("%d tenants, %d of them to start", len(self._keepers), len(self._resuming))

    async def stop(self) -> None:
        """Drain and end every process; the placements stay, so that the next start goes on."""
        if self._server is not None:
            self._server.close()
        for task in self._resuming:
            task.cancel()
        await asyncio.gather(*(keeper.close() for keeper in self._keepers.values()))

    async def _resume(self, keeper: TenantKeeper) -> None:
        """A little later and a few at a time: a machine must answer while it comes back. A visitor wakes a tenant before its turn."""
        await asyncio.sleep(self.timing.resume_after)
        async with self._slots:
            await keeper.wake(LONGEST_WAKE)

    async def _adopt(self, placement: Placement) -> TenantKeeper:
        listening = await _listen(self.settings.host, placement.port)
        port = listening.getsockname()[1]
        if port != placement.port:
            if placement.port:
                log.warning("tenant %s: port %d is taken by another program, %d from now on", placement.slug, placement.port, port)
            placement = replace(placement, port=port)
            self.store.save(placement)
        keeper = TenantKeeper(
            placement,
            listening,
            self.store,
            lambda placement, keep_old: serve_command(self.settings, placement, keep_old=keep_old),
            lambda tenant_id: secrets_of(self.store.folder(tenant_id)),
            self.timing,
        )
        self._keepers[placement.tenant_id] = keeper
        return keeper

    # The door

    async def handle(self, request: Request) -> Response:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return Response.problem(401, "unauthorized", f"Send the bearer token that stands in {self.settings.announcement}.")
        match request.method, [part for part in request.path.split("/") if part]:
            case "GET", []:
                return Response.of({"pid": os.getpid(), "tenants": len(self._keepers)})
            case "GET", ["tenants"]:
                return Response.of([self._show(keeper) for keeper in self._keepers.values()])
            case "PUT", ["tenants", tenant_id]:
                return await self._put(tenant_id, request)
            case "DELETE", ["tenants", tenant_id]:
                return await self._delete(tenant_id)
            case "GET", ["tenants", tenant_id]:
                return await self._with(tenant_id, _nothing)
            case "POST", ["tenants", tenant_id, "restart"]:
                return await self._with(tenant_id, _restart)
            case "POST", ["tenants", tenant_id, "stop"]:
                return await self._with(tenant_id, TenantKeeper.stop)
            case "POST", ["tenants", tenant_id, "wake"]:
                return await self._wake(tenant_id, request)
        return Response.problem(404, "not_found", f"There is no {request.method} {request.path} here.")

    async def _put(self, tenant_id: str, request: Request) -> Response:
        try:
            check_tenant_id(tenant_id)
            spec = Spec.parse(request.json())
        except (BadSpec, ValueError) as error:
            return Response.problem(422, "bad_spec", str(error))
        async with self._lock(tenant_id):
            keeper = self._keepers.get(tenant_id)
            if keeper is None:
                placement = Placement(tenant_id, spec.slug, spec.name, digest="", port=0, goal=Goal.STOPPED)
                keeper = await self._adopt(placement)
            keeper.ask(spec)
        return Response.of(self._show(keeper))

    async def _delete(self, tenant_id: str) -> Response:
        async with self._lock(tenant_id):
            keeper = self._keepers.get(tenant_id)
            if keeper is None:
                return Response.of({"id": tenant_id, "state": "absent"})
            await keeper.close()
            self.store.forget(tenant_id)
            del self._keepers[tenant_id]
        return Response.of({"id": tenant_id, "state": "absent"})

    async def _wake(self, tenant_id: str, request: Request) -> Response:
        try:
            seconds = min(float(request.json().get("seconds", 30.0)), LONGEST_WAKE)
        except (ValueError, AttributeError) as error:
            return Response.problem(422, "bad_request", f"seconds must be a number: {error}")
        return await self._with(tenant_id, lambda keeper: keeper.wake(seconds))

    async def _with(self, tenant_id: str, act: Callable[[TenantKeeper], Awaitable[None]]) -> Response:
        keeper = self._keepers.get(tenant_id)
        if keeper is None:
            return Response.problem(404, "unknown_tenant", f"No tenant {tenant_id} was placed on this machine; PUT it first.")
        await act(keeper)
        return Response.of(self._show(keeper))

    def _show(self, keeper: TenantKeeper) -> dict[str, Any]:
        return keeper.show() | {"url": public_url(self.settings.public_host, keeper.placement.port)}

    def _lock(self, tenant_id: str) -> asyncio.Lock:
        return self._changing.setdefault(tenant_id, asyncio.Lock())


async def _nothing(keeper: TenantKeeper) -> None:
    return


async def _restart(keeper: TenantKeeper) -> None:
    keeper.restart()


async def _listen(host: str, port: int) -> socket.socket:
    """A listening socket on `port`; on another where a stranger holds it for good."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PORT_PATIENCE_SECONDS
    while True:
        try:
            listening = listen(host, port) if port else listen_on_free(host)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            if loop.time() > deadline:
                port = 0
            await asyncio.sleep(0.05)
        else:
            listening.setblocking(False)
            return listening
