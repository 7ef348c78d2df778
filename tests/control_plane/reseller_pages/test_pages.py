"""Resellers' people in a browser: what they see, what they change, and that another's organisation is one there is none of."""

import re
import struct
import zlib

import pytest

from tests.control_plane.resellers.conftest import luna, north, revoke, south
from tests.control_plane.resellers.test_ledger import issued, stands, tools

__all__ = ["luna", "north", "south", "stands", "tools"]
HTML = {"Accept": "text/html", "Accept-Language": "en"}
PAGES = ("", "/open", "/prices", "/brand", "/people", "/commission")


@pytest.fixture
def platform_settings(platform_settings):
    return platform_settings.model_copy(update={"bank_account": "ES91 2100 0418 4502 0005 1332"})


@pytest.fixture
def page(client, north):
    """A page of north's, for one of its people."""

    async def page(path="", *, role="admin", method="GET", of=north, language="en", **form):
        headers = {**north.headers[role], **HTML, "Accept-Language": language}
        return await client.request(method, f"/reseller/{of.id}{path}", headers=headers, **form)

    return page


def png(width=16, height=16):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = (b"\x00" + b"\x0b\x6e\x4f" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


async def test_another_s_organisation_is_one_there_is_none_of(page, south):
    answers = [await page(path, of=south) for path in PAGES]
    written = [
        await page(path, of=south, method="POST", data={"name": "x"})
        for path in ("/open", "/demos", "/prices", "/brand", "/people", "/correspondence")
    ]
    assert [answer.status_code for answer in (*answers, *written)] == [404] * (len(PAGES) + 6)
    assert "South" not in "".join(answer.text for answer in answers)


@pytest.mark.parametrize("language", ["en", "es"])
async def test_every_page_is_there_in_both_languages(page, luna, language):
    answers = {path: await page(path, language=language) for path in PAGES}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(PAGES, 200)
    assert all(f'<html lang="{language}">' in answer.text for answer in answers.values())


async def test_staff_look_and_change_nothing(page, north, luna):
    answers = {path: (await page(path, role="staff")).status_code for path in PAGES}
    assert answers == {**dict.fromkeys(PAGES, 200), "/open": 403}
    assert 'name="price.' not in (await page("/prices", role="staff")).text
    refused = [await page(path, role="staff", method="POST") for path in ("/open", "/demos", "/prices", "/brand", "/people")]
    assert [answer.status_code for answer in refused] == [403] * 5


async def test_clinics_stand_with_who_pays_and_how_and_those_that_shut_it_out_with_nothing(page, client, north, luna):
    await client.put("/v1/tenants/luna/billing", json={"plan": "solo"})
    seen = (await page()).text
    await revoke(client, north, "luna", luna)
    shut_out = (await page()).text

    assert re.search(r"luna.*The clinic pays · plan solo.*In order", seen, re.DOTALL)
    assert "You have no access" in shut_out
    assert "plan solo" not in shut_out


async def test_a_clinic_is_opened_with_its_plan_or_the_form_says_what_is_wrong(page, client, north):
    form = {
        "name": "Sol",
        "email": "o@sol.example",
        "country": "ES",
        "plan": "solo",
        "payer": "reseller",
        "trial_days": "5",
        "module": "agenda",
    }
    wrong = await page("/open", method="POST", data={**form, "email": "nobody"})
    too_long = await page("/open", method="POST", data={**form, "trial_days": "300"})
    assert (wrong.status_code, too_long.status_code) == (422, 422)
    assert "This cannot be used: the e-mail." in wrong.text
    assert 'value="Sol"' in wrong.text
    assert (await north.ask("GET", "/tenants")).json()["items"] == []

    done = await page("/open", method="POST", data=form)
    billing = (await client.get("/v1/tenants/sol/billing")).json()
    assert (done.status_code, done.headers["location"]) == (303, f"/reseller/{north.id}")
    assert (billing["plan"], billing["payer"]) == ("solo", "reseller")


async def test_a_form_that_is_sent_twice_opens_one_clinic_and_one_that_was_refused_may_be_sent_again(page, north):
    marks = re.findall(r'name="once" value="([\w-]+)"', (await page("/open")).text)
    form = {"name": "Sol", "email": "o@sol.example", "country": "ES", "payer": "clinic", "module": "agenda", "once": marks[0]}
    refused = await page("/open", method="POST", data={**form, "email": "nobody"})
    first = await page("/open", method="POST", data=form)
    again = await page("/open", method="POST", data=form)
    another = await page("/open", method="POST", data={**form, "once": "another-form"})

    assert [one.status_code for one in (refused, first, again, another)] == [422, 303, 303, 303]
    assert sorted(one["slug"] for one in (await north.ask("GET", "/tenants")).json()["items"]) == ["sol", "sol-2"]


async def test_a_demonstration_is_opened_extended_and_ended_and_another_s_is_not(page, client, north, south):
    form = {"name": "Muestra", "email": "a@north.example", "country": "ES", "language": "es", "days": "20", "module": "agenda"}
    opened = await page("/demos", method="POST", data=form)
    foreign = await client.post("/v1/demos", json={**_demo("otra")}, headers=south.headers["admin"])
    (demo,) = (await client.get("/v1/demos", headers=north.headers["admin"])).json()["items"]
    shown = (await page()).text
    extended = await page(f"/demos/{demo['tenant_id']}/extend", method="POST")
    (longer,) = (await client.get("/v1/demos", headers=north.headers["admin"])).json()["items"]
    others = await page(f"/demos/{foreign.json()['demo']['tenant_id']}/end", method="POST")
    ended = await page(f"/demos/{demo['tenant_id']}/end", method="POST")
    (over,) = (await client.get("/v1/demos", headers=north.headers["admin"])).json()["items"]

    assert (opened.status_code, demo["language"], demo["modules"]) == (303, "es", ["agenda"])
    assert "Muestra" in shown
    assert (extended.status_code, longer["extended_at"] is not None, longer["ends_at"] > demo["ends_at"]) == (303, True, True)
    assert (others.status_code, ended.status_code, over["state"]) == (404, 303, "erasing")


def _demo(slug):
    return {"name": slug, "slug": slug, "country": "ES", "owner_email": "o@south.example", "modules": []}


async def test_prices_are_written_as_people_write_them_and_never_below_the_floor(page, client, north):
    low = await page("/prices", method="POST", data={"price.plan.solo.EUR": "1,00"})
    nonsense = await page("/prices", method="POST", data={"price.plan.solo.EUR": "NaN"})
    done = await page("/prices", method="POST", data={"price.plan.solo.EUR": "35,50", "price.plan.practice.EUR": ""})
    prices = {(one["item"], one["currency"]): one["own"] for one in (await north.ask("GET", "/prices")).json()["items"]}

    assert (low.status_code, nonsense.status_code, done.status_code) == (422, 422, 303)
    assert "below the least" in low.text
    assert re.search(r"The least is \d+(\.\d*[1-9])? % of the tariff", low.text)
    assert 'value="1,00"' in low.text
    assert prices["plan.solo", "EUR"] == "35.50"
    assert [own for own in prices.values() if own is not None] == ["35.50"]
    assert 'value="35.50"' in (await page("/prices")).text


async def test_looks_are_tried_before_they_are_taken_over(page, north):
    looks = {"title": "North <b>Dental</b>", "colour": "#123456", "slug": "north"}
    tried = await page("/brand", method="POST", data={**looks, "do": "try"})
    before = (await north.ask("GET", "/brand")).json()
    pale = await page("/brand", method="POST", data={**looks, "colour": "#ffee00", "do": "set"})
    taken = await page("/brand", method="POST", data={**looks, "do": "set"}, files={"logo": ("logo.png", png(), "image/png")})
    after = (await north.ask("GET", "/brand")).json()
    sheet = await page("/preview.css", params={"colour": "#123456"})
    injected = await page("/preview.css", params={"colour": "red;}body{display:none"})

    assert "North &lt;b&gt;Dental&lt;/b&gt;" in tried.text
    assert f"/reseller/{north.id}/preview.css?colour=%23123456" in tried.text
    assert (before["colour"], before["slug"]) == ("#0b6e4f", None)
    assert (pale.status_code, "cannot be read on white" in pale.text) == (422, True)
    assert (taken.status_code, after["colour"], after["slug"], after["logo"] is not None) == (303, "#123456", "north", True)
    assert (sheet.headers["content-type"].split(";")[0], injected.status_code) == ("text/css", 422)


async def test_somebody_is_invited_by_a_link_signs_in_and_is_dismissed(page, client, north):
    hired = await page("/people", method="POST", data={"name": "Eva", "email": "eva@north.example", "role": "staff"})
    token = re.search(r"/reseller/join\?token=([\w.%-]+)", hired.text).group(1)
    client.headers.pop("Authorization")
    browser = {**HTML, "Origin": "http://platform"}
    foreign = await client.post(
        "/reseller/join", data={"token": token, "password": "a long password here"}, headers={"Origin": "http://evil.example"}
    )
    joined = await client.post("/reseller/join", data={"token": token, "password": "a long password here"}, headers=browser)
    wrong = await client.post("/reseller/sign-in", data={"email": "eva@north.example", "password": "no"}, headers=browser)
    signed_in = await client.post(
        "/reseller/sign-in",
        data={"email": "eva@north.example", "password": "a long password here", "after": "//evil.example"},
        headers=browser,
    )
    cookie = signed_in.headers["set-cookie"]
    home = await client.get("/reseller", headers=HTML)
    inside = await client.get(home.headers["location"], headers=HTML)
    (eva,) = [one["id"] for one in (await north.ask("GET", "/staff")).json()["items"] if one["name"] == "Eva"]
    left = await page(f"/people/{eva}/dismiss", method="POST")
    out = await client.get(home.headers["location"], headers=HTML)

    assert (foreign.status_code, joined.status_code, wrong.status_code) == (403, 303, 401)
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/reseller")
    assert ("HttpOnly" in cookie, "Path=/reseller" in cookie, "samesite=strict" in cookie.lower()) == (True, True, True)
    assert (home.headers["location"], inside.status_code) == (f"/reseller/{north.id}", 200)
    assert (left.status_code, out.status_code) == (303, 401)


async def test_statements_are_read_and_downloaded_in_the_language_of_the_organisation(page, client, north, stands, tools, clock):
    missing = await page("/statements/2027-03/EUR")
    assert missing.status_code == 404
    clock.move_to("2027-03-05")
    await stands("in_1", paid="121.00")
    clock.move_to("2027-04-05")
    await issued(tools, north)
    post = await page("/correspondence", method="POST", data={"billing_email": "a@north.example", "language": "es"})
    assert (post.status_code, (await north.ask("GET")).json()["language"]) == (303, "es")
    listed, paper = await page("/commission"), await page("/statements/2027-03/EUR")
    table = await page("/statements/2027-03/EUR/csv")
    assert f"/reseller/{north.id}/statements/2027-03/EUR" in listed.text
    assert ">€20.00<" in listed.text
    assert "Liquidación de comisiones 2027-03" in paper.text
    assert table.text.startswith("número;fecha;clínica")
