"""Signing in: password and code, sessions that end, attempts that are counted, invitations that work once."""

from dataclasses import replace

import pyotp
import pytest
from sqlalchemy import text
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from control_plane.access.scopes import ALL, Kind, Role
from control_plane.access.service import IDLE
from control_plane.access.signing_in import LASTS
from control_plane.access.throttle import Requests
from control_plane.api import serving
from control_plane.main import create_app
from dentalpin_kit.peers import read_networks
from tests.control_plane.access.conftest import PASSWORD, anonymous, signed_in, with_password
from tests.support.platform import api_of

WRONG = {"email": "ana@platform.example", "password": "not the password at all"}
RIGHT = {"email": "ana@platform.example", "password": PASSWORD}


async def test_an_operator_does_nothing_before_a_second_factor_and_everything_after(client, platform, clock, somebody):
    browser = anonymous(client)
    begun = (await browser.post("/v1/session", json=RIGHT)).json()
    refused = await browser.get("/v1/tenants")
    no_key = await browser.post("/v1/keys", json={"name": "before the code"})
    enrolment = (await browser.post("/v1/session/second-factor")).json()
    wrong = await browser.post("/v1/session/second-factor/confirm", json={"code": "000000"})
    confirmed = await browser.post("/v1/session/second-factor/confirm", json={"code": pyotp.TOTP(enrolment["secret"]).at(clock.now())})

    assert (begun["second_factor_missing"], begun["scopes"]) == (True, [])
    assert {refused.json()["code"], no_key.json()["code"]} == {"second_factor_missing"}
    assert (wrong.status_code, confirmed.status_code) == (422, 201)
    assert (await browser.get("/v1/tenants")).status_code == 200
    assert (await browser.get("/v1/session")).json()["scopes"] == sorted(ALL)


async def test_a_code_is_needed_and_good_once(client, platform, clock, somebody):
    first = await signed_in(client, platform)
    assert (await first.get("/v1/tenants")).status_code == 200
    async with platform.database.transaction() as session:
        stored = (await session.execute(text("SELECT sealed_second_factor, id FROM account"))).one()
    app = pyotp.TOTP(platform.vault.open(stored[0], f"account.sealed_second_factor:{stored[1]}").decode())

    without = await anonymous(client).post("/v1/session", json=RIGHT)
    again = await anonymous(client).post("/v1/session", json={**RIGHT, "code": app.at(clock.now())})
    clock.advance(seconds=60)
    later = await anonymous(client).post("/v1/session", json={**RIGHT, "code": app.at(clock.now())})

    assert (without.json()["code"], again.json()["code"], later.status_code) == ("second_factor_needed", "sign_in_refused", 201)


async def test_only_a_trusted_proxy_says_whose_attempt_it_is(client, platform, somebody):
    """Else an attacker chooses a new address each time, or one attacker behind the proxy keeps everybody else out."""
    trusting = replace(platform, settings=platform.settings.model_copy(update={"trusted_proxies": read_networks("127.0.0.1")}))
    own = serving(create_app(trusting), trusting.settings)
    own.load()
    assert not isinstance(own.loaded_app, ProxyHeadersMiddleware)
    async with api_of(trusting) as behind:
        tried = [await behind.post("/v1/session", json=WRONG, headers={"X-Forwarded-For": f"6.6.6.{n}, 198.51.100.1"}) for n in range(6)]
        else_where = await behind.post("/v1/session", json=WRONG, headers={"X-Forwarded-For": "198.51.100.2"})
    assert [one.status_code for one in tried] == [401] * 5 + [429]
    assert else_where.status_code == 401


@pytest.mark.parametrize("passing", [IDLE, LASTS])
async def test_a_session_ends_by_itself(client, platform, clock, somebody, passing):
    browser = await signed_in(client, platform)
    steps = 1 if passing is IDLE else 24
    for _ in range(steps - 1):
        clock.advance(seconds=passing.total_seconds() / steps)
        assert (await browser.get("/v1/session")).status_code == 200
    clock.advance(seconds=passing.total_seconds() / steps)
    assert (await browser.get("/v1/session")).status_code == 401


async def test_signing_out_and_disabling_end_it_at_once(client, platform, somebody):
    one = await signed_in(client, platform)
    cookie = dict(one.cookies)
    assert (await one.delete("/v1/session")).status_code == 204
    again = anonymous(client)
    again.cookies.update(cookie)
    assert (await again.get("/v1/session")).status_code == 401

    made = await with_password(client, Kind.OWNER, Role.OWNER, "owner@clinic.example")
    two = anonymous(client)
    await two.post("/v1/session", json={"email": "owner@clinic.example", "password": PASSWORD})
    key = (await two.post("/v1/keys", json={"name": "mine"})).json()["key"]
    await client.delete(f"/v1/accounts/{made['id']}")
    assert (await two.get("/v1/session")).status_code == 401
    assert (await anonymous(client).get("/v1/session", headers={"Authorization": f"Bearer {key}"})).status_code == 401
    refused = await anonymous(client).post("/v1/session", json={"email": "owner@clinic.example", "password": PASSWORD})
    assert refused.json()["code"] == "sign_in_refused"


async def test_guessing_is_stopped_whatever_the_headers_say_and_goes_on_after_the_window(client, clock, somebody):
    answers = [
        await anonymous(client).post("/v1/session", json=WRONG, headers={"X-Forwarded-For": f"10.0.0.{number}"}) for number in range(6)
    ]
    right_too_late = await anonymous(client).post("/v1/session", json=RIGHT)
    clock.advance(minutes=5, seconds=1)

    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert answers[-1].headers["retry-after"] == "301"
    assert right_too_late.status_code == 429
    assert (await anonymous(client).post("/v1/session", json=RIGHT)).status_code == 201


async def test_who_there_is_cannot_be_found_out(client, somebody):
    unknown = await anonymous(client).post("/v1/session", json={**WRONG, "email": "nobody@platform.example"})
    known = await anonymous(client).post("/v1/session", json=WRONG)
    assert (unknown.status_code, unknown.json()) == (known.status_code, known.json())


async def test_a_page_of_another_site_does_not_act_with_a_session(client, platform, somebody):
    browser = await signed_in(client, platform)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        assert (await browser.post("/v1/keys", json={"name": "x"}, headers=headers)).json()["code"] == "foreign_origin"
    own = await browser.post("/v1/keys", json={"name": "x"}, headers={"Origin": "http://platform.example"})
    assert own.status_code == 201


async def test_the_cookie_is_for_the_browser_alone(client, somebody):
    answer = await anonymous(client).post("/v1/session", json=RIGHT)
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/v1" in cookie


async def test_an_invitation_works_once_and_until_another_password_was_set(client, clock, somebody):
    first = (await client.post(f"/v1/accounts/{somebody['id']}/invitation")).json()["invitation"]
    second = (await client.post(f"/v1/accounts/{somebody['id']}/invitation")).json()["invitation"]

    async def use(invitation, password=PASSWORD):
        return await anonymous(client).post("/v1/session/password", json={"invitation": invitation, "password": password})

    weak, used = await use(second, "aaaaaaaaaaaaaaa"), await use(second, PASSWORD + "!")
    over = [await use(one) for one in (first, second, "x.y.z")]

    assert (weak.json()["code"], used.status_code) == ("password_too_weak", 204)
    assert {answer.json()["code"] for answer in over} == {"invitation_over"}
    third = (await client.post(f"/v1/accounts/{somebody['id']}/invitation")).json()["invitation"]
    clock.advance(days=8)
    late = await use(third)
    assert late.json()["code"] == "invitation_over"


async def test_nothing_secret_is_stored_or_recorded(client, platform, somebody):
    browser = await signed_in(client, platform)
    token = browser.cookies["dentalpin_platform"]
    async with platform.database.transaction() as session:
        for table in ("account", "account_session", "audit_entry", "idempotent_answer"):
            rows = str((await session.execute(text(f"SELECT * FROM {table}"))).all())
            assert all(secret not in rows for secret in (PASSWORD, token, somebody["invitation"])), table


async def test_requests_are_limited_per_caller_over_all_processes(platform_settings, platform, clock):
    limits = [Requests(platform.database, 40) for _ in range(2)]
    statuses = []
    async with api_of(replace(platform, requests=limits[0])) as client:
        key, first_key = client.headers["Authorization"], platform.settings.first_key_file.read_text().strip()
        statuses += [(await client.get("/v1/session")).status_code for _ in range(20)]
        async with api_of(replace(platform, requests=limits[1])) as other:
            other.headers["Authorization"] = key
            statuses += [(await other.get("/v1/session")).status_code for _ in range(20)]
            refused = await other.get("/v1/session")
            somebody_else = await client.get("/v1/session", headers={"Authorization": f"Bearer {first_key}"})
            clock.advance(seconds=61)
            assert (await other.get("/v1/session")).status_code == 200

    assert set(statuses) == {200}
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (429, "too_many_requests", "61")
    assert somebody_else.status_code == 200
