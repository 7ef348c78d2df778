"""The pages as a browser without scripts uses them."""

import re

import pytest

from app.core.pages.texts import TEXTS, language
from tests.support.app import PASSWORD, build


@pytest.fixture
async def app(clinic_app):
    await clinic_app.add_user(admin=await clinic_app.add_clinic("Clínica Sol <b>"))
    return clinic_app


@pytest.fixture
async def client(app):
    async with app.client() as client:
        yield client


async def sign_in(client, password=PASSWORD, **headers):
    return await client.post("/sign-in", data={"email": "ana@example.com", "password": password}, headers=headers)


async def test_who_is_not_signed_in_is_sent_to_sign_in(client):
    answer = await client.get("/")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in"


async def test_signing_in_leads_to_the_clinic_and_its_modules(client):
    assert (await sign_in(client)).status_code == 303
    home = await client.get("/")
    assert home.status_code == 200
    assert "Clínica Sol &lt;b&gt;" in home.text
    assert "Notes on a shelf." in home.text
    assert "Areas: Notes" in home.text
    assert "Administrator" in home.text


async def test_areas_of_a_module_are_those_of_the_role(app, client):
    await app.sql("UPDATE memberships SET role = 'hygienist'")
    await sign_in(client)
    assert "Areas: Nothing for your role." in (await client.get("/")).text


async def test_a_wrong_password_is_said_on_the_same_page(client):
    answer = await sign_in(client, "wrong")
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert 'value="ana@example.com"' in answer.text
    assert "wrong" in answer.text
    assert "set-cookie" not in answer.headers


async def test_after_too_many_attempts_the_page_asks_to_wait(client):
    for _ in range(5):
        await sign_in(client, "no")
    answer = await sign_in(client)
    assert answer.status_code == 429
    assert "Wait a few minutes" in answer.text


async def test_signing_out_ends_the_session(app, client):
    await sign_in(client)
    cookie = dict(client.cookies)
    left = await client.post("/sign-out", data={})
    assert left.headers["location"] == "/sign-in?signed_out=1"
    assert "You are signed out" in (await client.get(left.headers["location"])).text
    client.cookies.update(cookie)
    assert (await client.get("/")).status_code == 303


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/welcome"])
async def test_a_form_of_another_site_is_refused(app, client, path):
    await sign_in(client)
    answer = await client.post(path, data={"email": "ana@example.com", "password": PASSWORD}, headers={"Origin": "http://clinic.test:9999"})
    assert answer.status_code == 403
    assert (await client.get("/")).status_code == 200


async def test_a_form_that_is_none_is_refused(client):
    for content, kind in (
        (b"x" * 20_000, "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
        (b"\xff=\xff", "application/x-www-form-urlencoded"),
    ):
        answer = await client.post("/sign-in", content=content, headers={"Content-Type": kind})
        assert answer.status_code == 400


async def test_with_several_clinics_one_is_chosen(app, client):
    luna = await app.add_clinic("Luna")
    await app.add_member(await app.sql("SELECT id FROM users"), luna, "dentist")
    await sign_in(client)
    asked = await client.get("/")
    assert asked.status_code == 200
    assert "Choose one" in asked.text
    chosen = await client.get("/", params={"clinic_id": str(luna)})
    assert "<h1>Luna</h1>" in chosen.text
    assert "Dentist" in chosen.text


async def test_a_clinic_without_modules_says_who_chooses_them(clinic_app):
    app = build(clinic_app.schema, clinic_app.database)
    await app.add_user(admin=await app.add_clinic())
    async with app.client() as client:
        await sign_in(client)
        assert "No module is installed yet" in (await client.get("/")).text


async def test_pages_speak_the_browsers_language(client):
    answer = await client.get("/sign-in", headers={"Accept-Language": "ca, es-ES;q=0.9, en;q=0.5"})
    assert '<html lang="es">' in answer.text
    assert "Iniciar sesión" in answer.text
    assert "Accept-Language" in answer.headers["vary"]


async def test_the_style_sheet_is_cached_by_its_content(client):
    page = (await client.get("/sign-in")).text
    [address] = re.findall(r'rel="stylesheet" href="([^"]+)"', page)
    answer = await client.get(address)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]


async def test_pages_contain_no_script_and_no_inline_style(client):
    await sign_in(client)
    for path in ("/", "/sign-in", "/nothing"):
        text = (await client.get(path)).text
        assert "<script" not in text
        assert "style=" not in text


async def test_errors_are_pages_for_people_and_json_for_programs(client):
    assert (await client.get("/welcome")).headers["content-type"].startswith("text/html")
    as_json = await client.get("/welcome", headers={"Accept": "application/json"})
    assert as_json.json()["data"] is None


def test_every_language_says_everything():
    assert {code: set(texts) for code, texts in TEXTS.items()} == {code: set(TEXTS["en"]) for code in TEXTS}
    for texts in TEXTS.values():
        assert {key: re.findall(r"{\w+}", text) for key, text in texts.items()} == {
            key: re.findall(r"{\w+}", text) for key, text in TEXTS["en"].items()
        }


@pytest.mark.parametrize(("header", "code"), [("", "en"), ("fr", "en"), ("es", "es"), ("EN-gb,es", "en"), ("*", "en"), (";;,", "en")])
def test_the_first_language_we_speak_is_taken(header, code):
    assert language(header) == code
