"""Signing up in a browser: with the keyboard, on a phone, with and without JavaScript."""

import re
from itertools import pairwise

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import func, select

from control_plane.main import read_release
from control_plane.tenants.models import Tenant
from tests.support.browser import DESKTOP, PHONE
from tests.support.platform import MODULES
from tests.support.progress import begin_step, finish, give_up

pytestmark = pytest.mark.browser

SIZES = {"desktop": DESKTOP, "phone": PHONE}


async def fill(page: Page, *, name: str = "Clínica Sol", email: str = "ana@sol.example", country: str = "ES") -> None:
    await page.goto("/signup")
    await page.get_by_label("Name of the clinic").fill(name)
    await page.get_by_label("Your e-mail address").fill(email)
    await page.get_by_label("Country", exact=True).select_option(country)
    await expect(page.get_by_role("heading", name=re.compile("what the law asks of your clinic"))).to_be_visible()


async def tenants(platform) -> int:
    async with platform.database.transaction() as session:
        return await session.scalar(select(func.count()).select_from(Tenant)) or 0


async def test_a_clinic_is_opened_and_followed_until_it_is_ready(page: Page, platform):
    await fill(page)
    await page.get_by_role("button", name="Open the clinic").click()
    await expect(page.get_by_role("heading", name="Opening Clínica Sol")).to_be_visible()
    await begin_step(platform, 2)
    await expect(page.locator(".step.running")).to_contain_text("Starting its software")

    await page.reload()
    await expect(page.locator(".step.running")).to_contain_text("Starting its software")

    await finish(platform, url="http://sol.example/")
    await expect(page.get_by_role("heading", name="Clínica Sol is ready")).to_be_visible()
    await expect(page).to_have_title("Clínica Sol is ready · DentalPin")
    await expect(page.get_by_role("link", name="Go to the clinic")).to_have_attribute("href", "http://sol.example/")
    await expect(page.get_by_role("status")).to_contain_text("We mailed a link to ana@sol.example")


async def test_the_address_is_corrected_while_the_page_keeps_looking(page: Page, platform):
    await fill(page)
    await page.get_by_role("button", name="Open the clinic").click()
    await page.get_by_text("Is ana@sol.example the wrong address?").click()
    await page.get_by_label("The right e-mail address").fill("anna@")
    await begin_step(platform, 1)
    await expect(page.locator(".step.running")).to_contain_text("Creating its own database")
    await expect(page.get_by_label("The right e-mail address")).to_have_value("anna@")

    await page.get_by_label("The right e-mail address").fill("anna@sol.example")
    await page.get_by_role("button", name="Correct it and send the link").click()
    await finish(platform)

    await expect(page.locator(".lead")).to_contain_text("We mailed a link to anna@sol.example")


async def test_a_failure_is_explained_and_the_page_goes_on_by_itself(page: Page, platform):
    await fill(page)
    await page.get_by_role("button", name="Open the clinic").click()
    await give_up(platform, "The database server has no room left.")
    await expect(page.locator(".problem")).to_contain_text("The database server has no room left.")
    await expect(page.get_by_role("heading", name="What happens next")).to_be_visible()


async def test_modules_follow_the_country_the_facts_and_each_other(page: Page, clock):
    clock.move_to("2027-01-02")
    await fill(page)
    verifactu = page.get_by_role("checkbox", name=re.compile("^Verifactu"))
    await expect(verifactu).to_be_checked()
    await expect(verifactu).to_be_disabled()
    await page.get_by_label(re.compile("SII")).select_option("Yes")
    await expect(verifactu).not_to_be_checked()
    await expect(page.get_by_role("listitem").filter(has=verifactu)).to_contain_text("Not permitted here")
    await page.get_by_label("Country", exact=True).select_option("PT")
    await expect(verifactu).to_have_count(0)
    await page.get_by_role("checkbox", name=re.compile("^Inventory")).check()
    await expect(page.locator("#summary")).to_contain_text("€50.00")
    await expect(page.get_by_role("checkbox", name=re.compile("^Patients"))).to_be_disabled()


async def test_an_unmet_obligation_is_shown_before_anything_is_signed(page: Page, clock, platform, runtime_environment):
    runtime_environment.describe({name: facts for name, facts in MODULES.items() if name != "verifactu"})
    await read_release(platform)
    clock.move_to("2027-01-02")
    await fill(page)
    await expect(page.locator(".obligation.unmet")).to_contain_text("Not yet available")


async def test_a_mistake_is_found_with_the_keyboard_alone(page: Page):
    await fill(page, email="ana-sol")
    await page.get_by_label("Tax number").fill("B12345675")
    await page.get_by_label("Tax number").press("Enter")
    await expect(page.get_by_role("alert")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    field = page.get_by_label("Your e-mail address")
    await expect(field).to_be_focused()
    await expect(field).to_have_value("ana-sol")
    await expect(field).to_have_accessible_description(re.compile("not an e-mail address"))
    await expect(page.get_by_label("Tax number")).to_have_value("B12345675")


async def test_the_cursor_stays_where_it_is_while_the_page_changes(page: Page):
    await fill(page, country="GB")
    await page.get_by_label("Country", exact=True).select_option("ES")
    await page.get_by_label("Tax number").press_sequentially("B123")
    await expect(page.get_by_label("Who owns the clinic?")).to_be_visible()
    await expect(page.get_by_label("Tax number")).to_be_focused()
    await expect(page.get_by_label("Tax number")).to_have_value("B123")
    await page.get_by_label("Tax number").fill("")
    async with page.expect_response("**/consequences"):
        await page.get_by_label("Who owns the clinic?").select_option("other")
    await expect(page.get_by_label("Who owns the clinic?")).to_have_value("other")


async def test_a_double_click_opens_one_clinic(page: Page, platform):
    await fill(page)
    await page.get_by_role("button", name="Open the clinic").dblclick()
    await expect(page.get_by_role("heading", name="Opening Clínica Sol")).to_be_visible()
    assert await tenants(platform) == 1


async def test_going_back_and_sending_again_opens_no_second_clinic(page: Page, platform):
    await fill(page)
    await page.get_by_role("button", name="Open the clinic").click()
    await expect(page.get_by_role("heading", name="Opening Clínica Sol")).to_be_visible()
    first = page.url
    await page.reload()
    assert page.url == first
    assert await tenants(platform) == 1


async def test_it_works_without_javascript(browser: Browser, site: str, platform):
    context = await browser.new_context(base_url=site, locale="es-ES", java_script_enabled=False)
    page = await context.new_page()
    await page.goto("/")
    await page.locator("#country").select_option("PT")
    await page.locator("#name").fill("Clínica Sol")
    await page.locator("#email").fill("ana@sol.example")
    await page.get_by_role("button", name="Mostrar lo que se aplica").click()
    await expect(page.get_by_role("heading", name="Portugal: lo que la ley pide")).to_be_visible()
    await page.get_by_role("button", name="Abrir la clínica").click()
    await expect(page.get_by_role("heading", name="Abriendo Clínica Sol")).to_be_visible()
    await finish(platform)
    # The page reloads itself.
    await expect(page.get_by_role("heading", name="Clínica Sol está lista")).to_be_visible(timeout=15_000)
    await context.close()


@pytest.mark.parametrize("size", SIZES)
async def test_nothing_is_wider_than_the_screen(browser: Browser, site: str, platform, clock, size: str, screenshots):
    clock.move_to("2027-01-02")
    context = await browser.new_context(base_url=site, locale="es-ES", viewport=SIZES[size])
    page = await context.new_page()

    async def look(name: str) -> None:
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, name
        if screenshots:
            await page.screenshot(path=screenshots / f"{name}-{size}.png", full_page=True)

    await page.goto("/signup")
    await look("form")
    await page.locator("#name").fill("Clínica Dental Nuestra Señora de la Esperanza y Hermanos")
    await page.locator("#email").fill("direccion.administrativa.de.la.clinica@nuestra-senora-de-la-esperanza.example")
    await page.locator("#tax_id").fill("B12345675")
    await page.get_by_role("button", name="Abrir la clínica").click()
    await look("mistakes")
    await page.locator("#tax_id").fill("")
    await page.get_by_role("button", name="Abrir la clínica").click()
    await begin_step(platform, 2)
    await expect(page.locator(".step.running")).to_be_visible()
    await look("opening")
    await give_up(
        platform, "postgresql://tenant-database.internal.example:5432/tenant_0193a7f0c1de7b3fa1b2c3d4e5f60718 refused the connection."
    )
    await expect(page.locator(".problem")).to_be_visible()
    await look("failed")
    await context.close()


async def test_every_control_has_a_name_and_headings_are_in_order(page: Page):
    await fill(page)
    unnamed = await page.evaluate(
        """() => [...document.querySelectorAll('input:not([type=hidden]), select, button')]
            .filter(one => !(one.labels && one.labels.length) && !one.textContent.trim()).map(one => one.outerHTML)"""
    )
    assert unnamed == []
    levels = await page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(one => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = await page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
