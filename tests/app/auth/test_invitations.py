"""The owner's way in, from the platform's request to the first sign-in."""

import json
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from dentalpin_kit.tokens import SigningKey, sign
from tests.support.app import PASSWORD

TENANT = "0c0ffee0-0000-4000-8000-000000000001"
PLATFORM = SigningKey.generate()


def signed(purpose, *, key=PLATFORM, audience=TENANT, lifetime=timedelta(minutes=1), **options):
    return sign(key, audience=audience, purpose=purpose, lifetime=lifetime, **options)


def link(email="ana@example.com", serial=1, **options):
    return signed("welcome", subject=email, claims={"serial": serial}, **options)


@pytest.fixture
async def app(clinic_app):
    """A managed runtime at its first start: a revision, a clinic, and an owner who has no password yet."""
    document = {"tenant": {"id": TENANT}, "platform": {"public_key": PLATFORM.public, "url": "https://platform.test"}}
    connection = await asyncpg.connect(clinic_app.schema.owner_url)
    await connection.execute(
        "INSERT INTO core_revision (generation, identity, effect, document) VALUES (1, 'i', 'e', $1)", json.dumps(document)
    )
    await connection.close()
    await clinic_app.add_user("ana@example.com", password=None, owner=True, admin=await clinic_app.add_clinic())
    return clinic_app


@pytest.fixture
async def client(app):
    async with app.client() as client:
        yield client


async def invite(client, email="ana@example.com", serial=1, token=None):
    headers = {"Authorization": f"Bearer {token or signed('invite')}"}
    return await client.post("/api/v1/-/invitation", json={"email": email, "serial": serial}, headers=headers)


async def claim(client, token, password=PASSWORD):
    return await client.post("/welcome", data={"token": token, "password": password, "password_again": password})


async def sign_in(client, email="ana@example.com"):
    return await client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})


async def test_the_owner_sets_a_password_and_is_signed_in(client):
    assert (await invite(client)).status_code == 200
    token = link()
    page = await client.get("/welcome", params={"token": token})
    assert page.status_code == 200
    assert "ana@example.com" in page.text
    done = await claim(client, token)
    assert done.status_code == 303
    assert (await client.get("/")).status_code == 200
    assert (await sign_in(client)).status_code == 200


async def test_looking_at_the_link_does_not_use_it(client):
    await invite(client)
    token = link()
    for _ in range(3):
        assert (await client.get("/welcome", params={"token": token})).status_code == 200
    assert (await claim(client, token)).status_code == 303


async def test_a_link_works_once(client):
    await invite(client)
    token = link()
    await claim(client, token)
    for again in (await claim(client, token, "another long password"), await client.get("/welcome", params={"token": token})):
        assert again.status_code == 409
        assert "Sign in with that password" in again.text
    assert (await sign_in(client)).status_code == 200


async def test_only_the_newest_link_opens(client):
    await invite(client, serial=1)
    await invite(client, serial=2)
    old = await client.get("/welcome", params={"token": link(serial=1)})
    assert old.status_code == 410
    assert "latest mail" in old.text
    assert (await claim(client, link(serial=1))).status_code == 410
    assert (await claim(client, link(serial=2))).status_code == 303


async def test_the_address_can_be_corrected_before_the_first_use(client):
    await invite(client, "typo@example.com", 1)
    await invite(client, "ana.real@example.com", 2)
    assert (await client.get("/welcome", params={"token": link("typo@example.com", 2)})).status_code == 410
    assert (await claim(client, link("ana.real@example.com", 2))).status_code == 303
    assert (await sign_in(client, "ana.real@example.com")).status_code == 200
    assert (await sign_in(client, "typo@example.com")).status_code == 401


async def test_an_owner_with_a_password_is_invited_no_more(client):
    await invite(client)
    await claim(client, link())
    again = await invite(client, serial=2)
    assert again.status_code == 409
    assert again.json()["errors"] == [{"code": "owner_has_password"}]
    assert "Sign in with your password" in (await client.get("/welcome", params={"token": link(serial=1)})).text


async def test_an_address_of_a_colleague_is_refused(app, client):
    await app.add_user("eva@example.com")
    assert (await invite(client, "eva@example.com")).json()["errors"] == [{"code": "address_taken"}]


async def test_an_expired_link_says_where_to_ask_for_another(client):
    await invite(client)
    token = link(now=datetime.now(UTC) - timedelta(days=8), lifetime=timedelta(days=7))
    page = await client.get("/welcome", params={"token": token})
    assert page.status_code == 410
    assert "expired" in page.text
    assert "Ask for a new one" in page.text


@pytest.mark.parametrize(
    "make",
    [
        lambda: "",
        lambda: "not.a.token",
        lambda: link(key=SigningKey.generate()),
        lambda: link(audience="another tenant"),
        lambda: signed("invite"),
    ],
)
async def test_a_link_that_is_not_from_our_platform_opens_nothing(app, client, make):
    await invite(client)
    token = make()
    page = await client.get("/welcome", params={"token": token})
    assert page.status_code == 400
    assert "Copy the whole link" in page.text
    assert (await claim(client, token)).status_code == 400
    assert await app.sql("SELECT password_hash FROM users") is None


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: link(), "token_wrong_purpose"),
        (lambda: signed("invite", key=SigningKey.generate()), "token_untrusted"),
        (lambda: signed("invite", audience="another"), "token_wrong_audience"),
    ],
)
async def test_nobody_but_the_platform_invites(app, client, make, code):
    answer = await invite(client, token=make())
    assert answer.status_code == 401
    assert answer.json()["errors"] == [{"code": code}]
    assert await app.sql("SELECT count(*) FROM core_setting") == 0


async def test_a_request_of_the_platform_cannot_be_replayed(client):
    token = signed("invite")
    assert (await invite(client, serial=1, token=token)).status_code == 200
    assert (await invite(client, serial=9, token=token)).status_code == 409


@pytest.mark.parametrize(
    ("password", "again", "said"),
    [("correct horse battery", "correct horse batterie", "differ"), ("short", "short", "too short"), ("", "", "too short")],
)
async def test_a_password_that_will_not_do_can_be_tried_again(client, password, again, said):
    await invite(client)
    token = link()
    page = await client.post("/welcome", data={"token": token, "password": password, "password_again": again})
    assert page.status_code == 422
    assert said in page.text
    assert f'value="{token}"' in page.text
    assert (await claim(client, token)).status_code == 303


async def test_a_runtime_without_a_platform_takes_no_invitations(clinic_app):
    async with clinic_app.client() as client:
        assert (await invite(client)).json()["errors"] == [{"code": "no_platform"}]
        assert (await client.get("/welcome", params={"token": link()})).status_code == 404


async def test_no_password_and_no_token_reaches_the_log(client, caplog):
    caplog.set_level("DEBUG")
    await invite(client)
    token = link()
    await client.get("/welcome", params={"token": token})
    await claim(client, token)
    await sign_in(client)
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert not [message for message in ours if PASSWORD in message or token in message]
