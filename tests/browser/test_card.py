"""Signing up with a card, and the owner's pages, in a browser: what only a browser refuses (forms, origins, cookies) is seen here."""

import re

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import select

from control_plane.mail.models import OutgoingMail
from control_plane.main import create_app
from tests.browser.test_signup import SIZES, fill
from tests.support.billing import billing_of
from tests.support.browser import serving
from tests.support.payment_provider import serving as paying

pytestmark = pytest.mark.browser


@pytest.fixture
async def billing(platform):
    with paying(manual=True) as provider:
        async with billing_of(platform, provider) as made:
            yield made


async def mailed(billing, template: str) -> str:
    async with billing.platform.database.transaction() as session:
        text = await session.scalar(select(OutgoingMail.text).where(OutgoingMail.template == template))
    [link] = re.findall(r"http://platform\.example(/\S+)", text or "")
    return str(link)


async def complaints(page: Page) -> list[str]:
    """What would keep somebody from using the page: wider than the screen, controls without a name, headings out of order."""
    return await page.evaluate(
        """() => {
            const found = []
            const root = document.documentElement
            if (root.scrollWidth > root.clientWidth) found.push(`wide by ${root.scrollWidth - root.clientWidth}`)
            for (const one of document.querySelectorAll('input:not([type=hidden]), select, button'))
                if (!(one.labels && one.labels.length) && !one.textContent.trim() && !one.ariaLabel) found.push(one.outerHTML)
            if (document.querySelectorAll('h1').length !== 1) found.push('not one h1')
            const ids = [...document.querySelectorAll('[id]')].map(one => one.id)
            if (ids.length !== new Set(ids).size) found.push('an id twice')
            return found
        }"""
    )


async def test_a_card_opens_the_clinic_and_its_owner_finds_everything(browser: Browser, billing, screenshots):
    async with serving(create_app(billing.platform)) as address:
        context = await browser.new_context(base_url=address, locale="en-GB", viewport=SIZES["phone"])
        page = await context.new_page()

        async def look(name: str) -> None:
            for size, viewport in SIZES.items():
                await page.set_viewport_size(viewport)
                assert await complaints(page) == [], (name, size)
                if screenshots:
                    await page.screenshot(path=screenshots / f"{name}-{size}.png", full_page=True)

        await fill(page)
        async with page.expect_response("**/consequences"):
            await page.get_by_label("Give a card now").check()
        await page.get_by_role("button", name="Continue to the card").click()
        await page.wait_for_url("**/checkout/**")
        await page.goto(await mailed(billing, "signup_waiting"))
        await expect(page.get_by_role("heading", name="One thing is left for Clínica Sol")).to_be_visible()
        await look("waiting")
        await page.get_by_role("button", name="Give a card").click()
        await page.wait_for_url("**/checkout/**")
        # The provider sends people back to the platform's public address, which is not this server's.
        await page.route("http://platform.example/**", lambda route: route.fulfill(status=200, body="back"))
        await page.get_by_role("button", name="Start the trial").click()
        await page.wait_for_url("http://platform.example/signup/**")
        await page.goto(page.url.replace("http://platform.example", address))
        await expect(page.get_by_role("heading", name="Looking for your card")).to_be_visible()
        await billing.worker.run_passes("signups")
        await expect(page.get_by_role("heading", name="Opening Clínica Sol")).to_be_visible()
        await billing.worker.drain()
        await expect(page.get_by_role("heading", name="Clínica Sol is ready")).to_be_visible()

        await page.goto("/account")
        await look("sign-in")
        await page.locator("#link-email").fill("ana@sol.example")
        await page.get_by_role("button", name="Mail me a link").click()
        await expect(page.get_by_role("status")).to_contain_text("a link is on its way")
        await page.goto(await mailed(billing, "account_link"))
        await page.get_by_role("button", name="Sign in now").click()
        await expect(page.get_by_role("heading", name="Payment: Trial")).to_be_visible()
        await look("overview")
        for name in ("Invoices", "People", "Data", "Plan and modules"):
            await page.get_by_role("link", name=name, exact=True).click()
            await look(name)
        await page.get_by_label("Practice").check()
        await page.get_by_role("button", name="Show what that costs").click()
        await expect(page.get_by_text("Solo becomes Practice", exact=False)).to_be_visible()
        await look("confirm")
        await page.get_by_role("button", name="Change it now").click()
        await expect(page.get_by_role("status")).to_contain_text("The change is on its way")
        await context.close()
