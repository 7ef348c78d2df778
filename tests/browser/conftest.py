"""The platform's pages in a real browser: the application on a loopback port, and an installed Chromium driven by Playwright."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Browser, Page, async_playwright

from control_plane.main import create_app
from control_plane.platform import Platform
from tests.support.platform import (
    clock,
    deployer,
    migrated_database,
    platform,
    platform_settings,
    platform_template,
    runtime_environment,
)

__all__ = ["clock", "deployer", "migrated_database", "platform", "platform_settings", "platform_template", "runtime_environment"]

CHROMIUM = (
    os.environ.get("DENTALPIN_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
# No sandbox: tests may run as root in a container. The rest keeps the browser from looking for its maker's servers.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
async def site(platform: Platform) -> AsyncIterator[str]:
    """The address of the running application."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(platform), log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listening.close()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: install the package `chromium`, or name the program in DENTALPIN_CHROMIUM")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser, site: str) -> AsyncIterator[Page]:
    """A page in English at the sign-up form's site; whatever the content policy refused, or a script raised, fails the test."""
    context = await browser.new_context(base_url=site, locale="en-GB", viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if "Content Security Policy" in message.text else None)
    yield page
    await context.close()
    assert not complaints


@pytest.fixture
def screenshots() -> Path | None:
    """Where pictures of the pages go, for people to look at; DENTALPIN_SCREENSHOTS names the folder."""
    folder = os.environ.get("DENTALPIN_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder) if folder else None
