"""The pages in a real browser, at the sizes of a desk and of a phone."""

import os
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest

from dentalpin_kit.tokens import SigningKey, sign
from tests.support.app import PASSWORD
from tests.support.browser import DESKTOP, PHONE, serving

pytestmark = pytest.mark.browser
TENANT = "0c0ffee0-0000-4000-8000-000000000001"
PLATFORM = SigningKey.generate()


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
async def page(request, browser):
    """A page that fails the test when anything is refused by the policy or fails to load."""
    opened = await browser.new_page(viewport=request.param, locale="en-GB")
    complaints = []
    opened.on("console", lambda message: complaints.append(message.text) if "Security" in message.text else None)
    opened.on("requestfailed", lambda failed: complaints.append(failed.url))
    yield opened
    await opened.close()
    assert complaints == []


@pytest.fixture
async def address(clinic_app):
    sol = await clinic_app.add_clinic("Clínica Dental Sol de Andalucía")
    ana = await clinic_app.add_user("ana@example.com", password=None, owner=True, admin=sol)
    await clinic_app.add_member(ana, await clinic_app.add_clinic("Luna"), "dentist")
    document = f'{{"tenant": {{"id": "{TENANT}"}}, "platform": {{"public_key": "{PLATFORM.public}"}}}}'
    await clinic_app.sql("INSERT INTO core_revision (generation, identity, effect, document) VALUES (1, 'i', 'e', $1)", document)
    await clinic_app.sql("""INSERT INTO core_setting (key, value) VALUES ('invitation', '{"serial": "1", "email": "ana@example.com"}')""")
    async with serving(clinic_app.app) as url:
        yield url


async def shot(page, name):
    """Nothing may stick out sideways; with DENTALPIN_SCREENSHOTS=folder a picture is kept for a person to look at."""
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    if folder := os.environ.get("DENTALPIN_SCREENSHOTS"):
        await page.screenshot(path=str(Path(folder) / f"{name}-{page.viewport_size['width']}.png"), full_page=True)


async def test_from_the_link_to_the_clinic_and_out_again_by_keyboard(page, address):
    token = sign(PLATFORM, audience=TENANT, purpose="welcome", lifetime=timedelta(days=7), subject="ana@example.com", claims={"serial": 1})
    await page.goto(f"{address}/welcome?token={token}")
    await shot(page, "welcome")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Tab")
    await page.keyboard.type("something else")
    await page.keyboard.press("Enter")
    assert "differ" in await page.get_by_role("alert").inner_text()
    await shot(page, "welcome-error")
    await page.get_by_label("New password").fill(PASSWORD)
    await page.get_by_label("The same password again").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Your clinics").wait_for()
    await page.get_by_role("link", name="Sol").click()
    await page.get_by_role("heading", name="Clínica Dental Sol de Andalucía").wait_for()
    await shot(page, "home")
    await page.get_by_role("button", name="Sign out").click()
    assert await page.get_by_role("status").inner_text() == "You are signed out."
    await shot(page, "signed-out")
    await page.goto(f"{address}/welcome?token={token}")
    await shot(page, "welcome-used")
    await page.get_by_role("link", name="Go to sign-in").click()
    await page.get_by_label("E-mail address").fill("ana@example.com")
    await page.get_by_label("Password").fill("wrong")
    await page.keyboard.press("Enter")
    assert "wrong" in await page.get_by_role("alert").inner_text()
    await shot(page, "sign-in-error")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Sign out").wait_for()
    await page.goto(f"{address}/nothing")
    await shot(page, "not-found")


async def test_a_second_factor_is_set_up_and_asked_for(page, clinic_app):
    await clinic_app.add_user("ana@example.com", admin=await clinic_app.add_clinic("Sol"))
    await clinic_app.sql("UPDATE clinics SET second_factor_required = true")
    async with serving(clinic_app.app) as address:
        await page.goto(f"{address}/sign-in")
        await page.get_by_label("E-mail address").fill("ana@example.com")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await page.get_by_role("alert").wait_for()
        await shot(page, "home-factor-required")
        await page.get_by_role("alert").get_by_role("link", name="Your account").click()
        await page.get_by_role("heading", name="Your account").wait_for()
        await shot(page, "account")
        await page.get_by_label("Present password").first.fill(PASSWORD)
        await page.keyboard.press("Enter")
        secret = await page.locator("code").inner_text()
        await shot(page, "enrol")
        await page.get_by_label("Code").fill(pyotp.TOTP(secret.replace(" ", "")).now())
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Recovery codes").wait_for()
        recovery = await page.locator("code").first.inner_text()
        await shot(page, "recovery-codes")
        await page.get_by_role("link", name="I have kept them").click()
        await page.get_by_role("button", name="Sign out", exact=True).click()
        await page.get_by_label("E-mail address").fill("ana@example.com")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="One more step").wait_for()
        await shot(page, "code")
        await page.keyboard.type("123456")
        await page.keyboard.press("Enter")
        assert "not right" in await page.get_by_role("alert").inner_text()
        await page.get_by_label("Code").fill(recovery)
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Sol").wait_for()
        await page.goto(f"{address}/forgot")
        await shot(page, "forgot")
