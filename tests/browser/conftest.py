"""The platform's pages in a real browser: the application on a loopback port, and an installed Chromium."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from control_plane.main import create_app
from control_plane.platform import Platform
from tests.support.browser import DESKTOP, browser, serving
from tests.support.platform import (
    clock,
    deployer,
    migrated_database,
    platform,
    platform_settings,
    platform_template,
    runtime_environment,
)

__all__ = [
    "browser",
    "clock",
    "deployer",
    "migrated_database",
    "platform",
    "platform_settings",
    "platform_template",
    "runtime_environment",
]


@pytest.fixture
async def site(platform: Platform) -> AsyncIterator[str]:
    """The address of the running application."""
    async with serving(create_app(platform)) as address:
        yield address


@pytest.fixture
async def page(browser: Browser, site: str) -> AsyncIterator[Page]:
    """A page in English at the sign-up form's site; whatever the content policy refused, or a script raised, fails the test."""
    context = await browser.new_context(base_url=site, locale="en-GB", viewport=DESKTOP)
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
