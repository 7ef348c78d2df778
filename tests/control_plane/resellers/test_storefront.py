"""A reseller's own sign-up page: its name, colour and prices, and clinics that come by it are its customers."""

import base64
import re

from tests.control_plane.resellers.conftest import make_reseller
from tests.control_plane.resellers.test_terms import png

FORM = {"name": "Clínica Sol", "email": "ana@sol.example", "country": "ES", "modules": "agenda"}


async def branded(reseller):
    body = {"title": "North Dental", "colour": "#0B3D91", "slug": "north", "logo": base64.b64encode(png()).decode()}
    assert (await reseller.ask("PUT", "/brand", json=body)).status_code == 200
    assert (await reseller.ask("PUT", "/prices", json={"prices": {"plan.solo": {"EUR": "35.00"}}})).status_code == 200


async def sent(client, slug="north"):
    page = await client.get("/r/north", headers={"Accept-Language": "en-GB"})
    token = re.search(r'name="token" value="([^"]+)"', page.text).group(1)
    return await client.post("/signup", data={**FORM, "token": token, "storefront": slug}, headers={"Accept-Language": "en"})


async def test_it_shows_the_reseller_and_its_prices(client, north):
    await branded(north)
    page = await client.get("/r/north", headers={"Accept-Language": "es"})
    sheet, logo = await client.get("/r/north/brand.css"), await client.get("/r/north/logo.png")
    own = await client.get("/signup", headers={"Accept-Language": "es"})

    assert (page.status_code, "North Dental" in page.text, "35,00" in page.text) == (200, True, True)
    assert [word in own.text for word in ("North Dental", "35,00")] == [False, False]
    assert ("--accent: #0b3d91" in sheet.text, logo.headers["content-type"], logo.content) == (True, "image/png", png())


async def test_a_clinic_that_signs_up_there_is_the_reseller_s_customer(client, north):
    await branded(north)
    assert (await sent(client)).status_code == 303
    (customer,) = (await north.ask("GET", "/tenants")).json()["items"]
    assert (customer["name"], customer["granted"]) == ("Clínica Sol", True)


async def test_over_its_ceiling_nobody_signs_up_and_nothing_is_left(client, platform):
    full = await make_reseller(client, platform, "Full", max_tenants=0)
    await branded(full)
    refused = await sent(client)
    assert refused.status_code == 422
    assert "may have 0" in refused.text
    assert (await client.get("/v1/tenants")).json()["items"] == []


async def test_an_address_nobody_has_says_so(client, north):
    await branded(north)
    assert (await client.get("/r/nobody")).status_code == 404
    assert (await sent(client, "nobody")).status_code == 404
