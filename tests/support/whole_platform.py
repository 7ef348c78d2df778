"""A whole platform in this process, at its outer doors: pages over HTTP, real runtimes, PostgreSQL, and the payment provider's double.

Time is moved, not waited for: `moves_to` brings a moment and lets the worker do what is due by then.
"""

import asyncio
import html
import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from sqlalchemy import select

from control_plane.access.service import create_key
from control_plane.config import Settings
from control_plane.operations.worker import Worker
from control_plane.platform import Platform
from control_plane.tenants.models import Tenant
from tests.support.mailbox import link_to
from tests.support.moved_clock import MovedClock
from tests.support.payment_provider import Provider
from tests.support.platform import application
from tests.support.runtime_env import make_overlay
from tests.support.supervision import SupervisorProcess

KEY = "sk_test_whole_platform"
LOOKS = 3
"""How often the worker comes by after a moment was brought: what one look began, the next ones carry on."""
BETWEEN_LOOKS = timedelta(seconds=20)


@dataclass
class WholePlatform:
    """`site` is a browser that has signed in nowhere yet, `operator` a client of /v1; `provider` is the double and its clock."""

    platform: Platform
    worker: Worker
    clock: MovedClock
    provider: Provider
    url: str
    site: httpx2.AsyncClient
    operator: httpx2.AsyncClient
    environment: Path
    """Runs the release that is there from the beginning."""

    @property
    def v1(self) -> Any:
        """The account at the provider, as its owner sees it."""
        return self.provider.client_for(KEY).v1

    # Time

    async def moves_to(self, moment: datetime) -> None:
        """Nothing happens until `moment`; then everything that is due by then."""
        assert moment >= self.clock.now(), "time goes on, never back"
        self.clock.advance(seconds=(moment - self.clock.now()).total_seconds())
        await self.looks()

    async def passes(self, **duration: float) -> None:
        await self.moves_to(self.clock.now() + timedelta(**duration))

    async def looks(self) -> None:
        """What the platform does by itself within a minute: events of the provider arrive, passes run, work is carried out."""
        for _ in range(LOOKS):
            await asyncio.to_thread(self.provider.do, "clock", now=int(self.clock.now().timestamp()))
            await asyncio.to_thread(self.provider.do, "deliver")
            await self.worker.run_passes()
            await self.worker.drain()
            self.clock.advance(seconds=BETWEEN_LOOKS.total_seconds())

    # Doors

    async def submit(self, path: str, **form: Any) -> httpx2.Response:
        """A person sends a form of the platform's own pages."""
        return await self.site.post(path, data=form, headers={"Origin": self.url})

    async def at_the_provider(self, page: str, **form: str) -> None:
        """A person fills in a page of the provider's."""
        answer = await asyncio.to_thread(self.provider.post, page, **form)
        assert answer.status_code < 400, answer.text

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.operator.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """An operator's request that must be taken."""
        answer = await self.operator.request(method, path, json=body, params=query)
        assert answer.is_success, answer.text
        return answer.json()

    async def enter_account(self, email: str) -> None:
        """A clinic's owner signs in on the account pages, by the mailed link."""
        asked = await self.submit("/account/link", email=email)
        assert asked.status_code == 200, asked.text
        await self.worker.run_passes("mails")
        link = link_to(self.platform.settings.mails, email, r"/account/enter\?token=[\w.%-]+")
        assert (await self.site.get(link)).status_code == 200
        entered = await self.submit("/account/enter", token=link.partition("token=")[2])
        assert entered.status_code == 303, entered.text


def hidden(page: str) -> dict[str, list[str]]:
    """What a page's form sends along unseen."""
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*type=\"hidden\"[^>]*>", page):
        [name], [value] = re.findall(r'name="(\w+)"', tag), re.findall(r'value="([^"]*)"', tag)
        found.setdefault(name, []).append(html.unescape(value))
    return found


def goes_on_to(page: str) -> str:
    """The address outside to which a page sends its reader on."""
    [address] = re.findall(r'http-equiv="refresh" content="0; url=([^"]+)"', page)
    return html.unescape(address)


@asynccontextmanager
async def whole_platform(settings: Settings, provider: Provider, folder: Path, moment: str, *modules: Path) -> AsyncIterator[WholePlatform]:
    """Everything `./dev up` starts, with its worker in the test's hands. `modules` are distributions beside the official ones."""
    environment = make_overlay(folder / "release", *modules)
    clock = MovedClock(moment, folder / "clock")
    clock.install(environment)
    provider.do("clock", now=int(clock.now().timestamp()))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        hooks = provider.client_for(KEY).v1.webhook_endpoints.create({"url": f"{url}/v1/payments/webhooks/stripe", "enabled_events": ["*"]})
        changes = {
            "runtime_env": environment,
            "public_url": url,
            "stripe_key": KEY,
            "stripe_url": provider.url,
            "stripe_webhook_secret": hooks.secret,
        }
        connected = Settings.model_validate({**settings.model_dump(), **changes})
        bindir = {"PG_BINDIR": str(settings.pg_bindir)} if settings.pg_bindir else {}
        supervisor = SupervisorProcess(connected.data.absolute(), environment, **bindir)
        connected.data.mkdir(parents=True, exist_ok=True)
        await supervisor.start()
        platform = Platform.build(connected, clock=clock)
        try:
            async with _served(platform, listening, url) as clients:
                worker = Worker(platform, platform.servers.own, name="worker-1")
                yield WholePlatform(platform, worker, clock, provider, url, *clients, environment)
        finally:
            await supervisor.end(signal.SIGTERM)
            await _drop_all(platform)
            await platform.close()
            provider.double.ahead = 0


@asynccontextmanager
async def _served(platform: Platform, listening: socket.socket, url: str) -> AsyncIterator[tuple[httpx2.AsyncClient, httpx2.AsyncClient]]:
    async with platform.database.transaction() as session:
        _, key = await create_key(session, "tests", at=platform.clock.now())
    with application(platform) as app:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:  # noqa: ASYNC110  uvicorn tells by a flag, not by an event
            await asyncio.sleep(0)
        # The release is read at the start, beside everything else.
        async with platform.reading:
            pass
        browser = httpx2.AsyncClient(base_url=url, headers={"Accept": "text/html"}, timeout=60)
        operator = httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)
        try:
            async with browser, operator:
                yield browser, operator
        finally:
            server.should_exit = True
            await serving


async def _drop_all(platform: Platform) -> None:
    """Whatever a test that failed half-way left on the shared server."""
    async with platform.database.transaction() as session:
        left = list(await session.scalars(select(Tenant.id)))
    for tenant_id in left:
        await platform.servers.own.drop(tenant_id)
