"""Forgotten passwords and invitations by mail, with mails as files."""

import email
import email.policy
import re

import pytest
from pydantic import SecretStr

from app.config import Settings
from app.core.auth.throttle import MAIL
from app.core.mail.room import MailRoom
from dentalpin_kit.mail import MailNotSent
from tests.support.app import PASSWORD, SECRET, ShelfModule, build

FORGOT = "/api/v1/auth/password/forgot"
PUBLIC = "https://sol.dentalpin.example"


@pytest.fixture
def mails(tmp_path):
    return tmp_path / "mail"


@pytest.fixture
async def app(clinic_app, mails):
    settings = Settings(secret_key=SecretStr(SECRET), mail_folder=mails, public_url=PUBLIC)
    return build(clinic_app.schema, clinic_app.database, [ShelfModule()], settings=settings)


@pytest.fixture
async def sol(app):
    clinic = await app.add_clinic("Sol")
    await app.add_user(admin=clinic)
    return clinic


@pytest.fixture
async def client(app, sol):
    async with app.client() as client:
        yield client


async def sent(app, mails):
    await app.app.state.mail.idle()
    return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in mails.glob("*.eml")]


async def link_in(app, mails):
    [message] = await sent(app, mails)
    return re.search(r"https://\S+", message.get_content()).group()


async def test_a_forgotten_password_is_replaced_by_a_link_in_a_mail(app, client, mails):
    asked = await client.post(FORGOT, json={"email": "ANA@example.com"})
    assert asked.status_code == 202
    link = await link_in(app, mails)
    assert link.startswith(f"{PUBLIC}/password?token=")
    path = link.removeprefix(PUBLIC)
    assert (await client.get(path)).status_code == 200
    form = {"token": path.partition("token=")[2], "password": "quite another one", "password_again": "quite another one"}
    done = await client.post("/password", data=form)
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert (await client.get("https://clinic.test/")).status_code == 200
    assert (await client.post("/password", data=form)).status_code == 410
    again = await client.post("/api/v1/auth/login", json={"email": "ana@example.com", "password": PASSWORD})
    assert again.status_code == 401


async def test_the_link_names_the_public_address_whatever_the_request_says(app, client, mails):
    await client.post(FORGOT, json={"email": "ana@example.com"}, headers={"Host": "evil.example"})
    assert (await link_in(app, mails)).startswith(PUBLIC)


async def test_nobody_learns_whether_an_account_exists(app, client, mails):
    known = await client.post(FORGOT, json={"email": "ana@example.com"})
    unknown = await client.post(FORGOT, json={"email": "nobody@example.com"})
    assert (unknown.status_code, unknown.json()) == (known.status_code, known.json())
    assert [message["To"] for message in await sent(app, mails)] == ["ana@example.com"]


async def test_one_address_gets_few_mails(app, client, mails):
    for _ in range(MAIL.attempts):
        assert (await client.post(FORGOT, json={"email": "ana@example.com"})).status_code == 202
    assert (await client.post(FORGOT, json={"email": "ana@example.com"})).status_code == 429


async def test_a_runtime_that_sends_no_mail_says_whom_to_ask(clinic_app):
    async with clinic_app.client() as client:
        answer = await client.post(FORGOT, json={"email": "ana@example.com"})
        assert answer.json()["errors"] == [{"code": "no_mail_here"}]
        assert "/forgot" not in (await client.get("/sign-in")).text
        assert "Ask an administrator" in (await client.get("/forgot")).text


async def test_on_the_pages_a_link_is_asked_for_by_form(app, client, mails):
    assert 'href="/forgot"' in (await client.get("/sign-in")).text
    assert "on its way" in (await client.post("/forgot", data={"email": "ana@example.com"})).text
    assert len(await sent(app, mails)) == 1


async def test_an_invitation_by_mail_is_in_the_clinics_language_and_its_state_is_seen(app, sol, client, mails):
    async with await app.signed_in() as ana:
        invited = (await ana.post("/api/v1/users", json={"email": "bo@example.com", "role": "dentist"})).json()["data"]
        assert (invited["link"]["url"], invited["link"]["mailed"]) == (None, True)
        [message] = await sent(app, mails)
        assert (message["To"], message["Subject"]) == ("bo@example.com", "Tu cuenta en Sol")
        person = (await ana.get(f"/api/v1/users/{invited['person']['id']}")).json()["data"]
    assert person["link"]["purpose"] == "invitation"
    assert person["link"]["sent_at"] is not None


async def test_an_invitation_that_is_rolled_back_is_not_mailed(app, sol, client, mails):
    async with await app.signed_in() as ana:
        assert (await ana.post("/api/v1/users", json={"email": "bo@example.com", "role": "janitor"})).status_code == 404
    assert await sent(app, mails) == []


class Away:
    """A mail server that never answers."""

    def __init__(self):
        self.tries = 0

    async def send(self, mail):
        self.tries += 1
        raise MailNotSent("The mail server is away.")


async def test_a_mail_that_cannot_be_sent_is_tried_again_and_said(app, sol, client, caplog):
    away = Away()
    app.app.state.mail = MailRoom(away, app.database, pauses=(0.0, 0.0))
    async with await app.signed_in() as ana:
        invited = (await ana.post("/api/v1/users", json={"email": "bo@example.com", "role": "dentist"})).json()["data"]
        await app.app.state.mail.idle()
        person = (await ana.get(f"/api/v1/users/{invited['person']['id']}")).json()["data"]
    assert away.tries == 3
    assert person["link"]["send_error"] == "The mail server is away."
    assert "bo@example.com" not in caplog.text


async def test_changing_ones_password_takes_the_present_one_and_ends_other_sessions(app, sol):
    async with await app.signed_in() as here, await app.signed_in() as there:
        for given, code in (("not hers", "password_wrong"), (PASSWORD, None)):
            answer = await here.post("/api/v1/auth/password", json={"current": given, "new": "something long and new"})
            assert [error["code"] for error in answer.json().get("errors", [])] == ([code] if code else [])
        assert (await here.get("/api/v1/auth/me")).status_code == 200
        assert (await there.get("/api/v1/auth/me")).status_code == 401
    async with await app.signed_in(password="something long and new") as again:
        assert (await again.get("/api/v1/auth/me")).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "x" * 300])
async def test_a_link_that_is_none_is_said_to_be_none(client, token):
    page = await client.get("/password", params={"token": token})
    assert page.status_code == 410
    assert "does not work" in page.text


async def test_a_weak_password_can_be_tried_again_with_the_same_link(app, client, mails):
    await client.post(FORGOT, json={"email": "ana@example.com"})
    token = (await link_in(app, mails)).partition("token=")[2]
    weak = await client.post("/password", data={"token": token, "password": "short", "password_again": "short"})
    assert weak.status_code == 422
    assert "too short" in weak.text
    better = {"token": token, "password": "long and new again", "password_again": "long and new again"}
    assert (await client.post("/password", data=better)).status_code == 303
