"""The records and the page about support access in a real browser, at the sizes of a desk and of a phone."""

import os
from pathlib import Path

import pytest

from tests.app.support.conftest import PATIENT
from tests.support.browser import DESKTOP, PHONE, browser, serving

__all__ = ["browser"]
pytestmark = pytest.mark.browser


async def shot(page, name):
    """Nothing may stick out sideways; with DENTALPIN_SCREENSHOTS=folder a picture is kept for a person to look at."""
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
    if folder := os.environ.get("DENTALPIN_SCREENSHOTS"):
        await page.screenshot(path=str(Path(folder) / f"{name}-{page.viewport_size['width']}.png"), full_page=True)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_records_are_found_from_the_overview_and_support_is_answered(runtime, owner, patient, two_clinics, browser, size):
    await runtime.asked()
    await runtime.accepted(owner)
    async with serving(runtime.app) as url:
        page = await browser.new_page(viewport=size, locale="en-GB", extra_http_headers=dict(owner))
        await page.goto(url)
        await shot(page, "home")
        await page.get_by_role("link", name="Records").click()
        await shot(page, "records")
        await page.get_by_role("link", name="Read and print: Patients").click()
        assert PATIENT["last_name"] in await page.get_by_role("region").inner_text()
        await shot(page, "records-patients")
        await page.emulate_media(media="print")
        await shot(page, "records-patients-print")
        await page.emulate_media(media="screen")
        await page.goto(f"{url}/support")
        await shot(page, "support")
        await page.get_by_role("button", name="Say no").click()
        await page.get_by_role("button", name="End it now").click()
        assert await page.get_by_text("Ended by the clinic").count() == 1
        await page.close()
