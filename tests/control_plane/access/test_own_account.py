"""One's own password and recovery codes."""

import pyotp
import pytest

from control_plane.access.scopes import Kind, Role
from tests.control_plane.access.conftest import PASSWORD, anonymous, signed_in, with_password

EMAIL = "ana@platform.example"
RIGHT = {"email": EMAIL, "password": PASSWORD}
ANOTHER = "nine slow otters under the bridge"


@pytest.fixture
async def enrolled(client, clock, somebody):
    """A whole session of an operator, their app, and their recovery codes."""
    browser = anonymous(client)
    await browser.post("/v1/session", json=RIGHT)
    app = pyotp.TOTP((await browser.post("/v1/session/second-factor")).json()["secret"])
    codes = (await browser.post("/v1/session/second-factor/confirm", json={"code": app.at(clock.now())})).json()["recovery_codes"]
    return browser, app, codes


async def test_a_recovery_code_stands_in_for_the_app_once(client, enrolled):
    browser, _, codes = enrolled
    first = await anonymous(client).post("/v1/session", json={**RIGHT, "code": codes[0].upper().replace("-", " ")})
    again = await anonymous(client).post("/v1/session", json={**RIGHT, "code": codes[0]})
    left = (await browser.get("/v1/session/second-factor")).json()["recovery_codes_left"]
    audit = (await client.get("/v1/audit")).json()["items"]

    assert (len(codes), len(set(codes)), first.status_code, again.json()["code"], left) == (10, 10, 201, "sign_in_refused", 9)
    assert [each["details"]["left"] for each in audit if each["action"] == "account.recovery_code_used"] == [9]
    assert not any(code in str(audit) for code in codes)


async def test_new_recovery_codes_end_the_old_ones_and_an_administrator_ends_all(client, clock, enrolled, somebody):
    browser, app, old = enrolled
    refused = await browser.post("/v1/session/second-factor/recovery-codes", json={"code": "000000"})
    clock.advance(seconds=60)
    new = (await browser.post("/v1/session/second-factor/recovery-codes", json={"code": app.at(clock.now())})).json()["recovery_codes"]
    with_old = await anonymous(client).post("/v1/session", json={**RIGHT, "code": old[0]})
    with_new = await anonymous(client).post("/v1/session", json={**RIGHT, "code": new[0]})
    await client.delete(f"/v1/accounts/{somebody['id']}/second-factor")
    after = (await anonymous(client).post("/v1/session", json=RIGHT)).json()

    assert (refused.json()["code"], with_old.status_code, with_new.status_code) == ("second_factor_wrong", 401, 201)
    assert after["second_factor_missing"] is True


async def test_an_enrolment_is_not_confirmed_by_an_old_recovery_code(client, platform, enrolled):
    browser, _, codes = enrolled
    from sqlalchemy import select

    from control_plane.access.models import Account

    async with platform.database.transaction() as session:
        account = await session.scalar(select(Account).where(Account.email == EMAIL))
        account.second_factor_since = None
    await browser.post("/v1/session/second-factor")
    assert (await browser.post("/v1/session/second-factor/confirm", json={"code": codes[0]})).json()["code"] == "second_factor_wrong"


async def test_another_password_ends_every_other_session(client, platform, somebody):
    one, two = await signed_in(client, platform), anonymous(client)
    owner = await with_password(client, Kind.OWNER, Role.OWNER, "owner@clinic.example")
    assert owner
    other = {"email": "owner@clinic.example", "password": PASSWORD}
    here, there = anonymous(client), two
    await here.post("/v1/session", json=other)
    await there.post("/v1/session", json=other)
    wrong = await here.put("/v1/session/password", json={"current": "not it at all", "new": ANOTHER})
    weak = await here.put("/v1/session/password", json={"current": PASSWORD, "new": "short"})
    done = await here.put("/v1/session/password", json={"current": PASSWORD, "new": ANOTHER})
    by_key = await client.put("/v1/session/password", json={"current": PASSWORD, "new": ANOTHER})

    assert (wrong.json()["code"], weak.json()["code"], done.status_code) == ("password_wrong", "password_too_weak", 204)
    assert by_key.json()["code"] == "session_needed"
    assert ((await here.get("/v1/session")).status_code, (await there.get("/v1/session")).status_code) == (200, 401)
    assert (await one.get("/v1/session")).status_code == 200
    assert (await anonymous(client).post("/v1/session", json=other)).status_code == 401
    assert (await anonymous(client).post("/v1/session", json={**other, "password": ANOTHER})).status_code == 201


async def test_guessing_the_present_password_is_stopped(client, clock, somebody):
    browser = anonymous(client)
    await browser.post("/v1/session", json=RIGHT)
    tried = [await browser.put("/v1/session/password", json={"current": f"guess number {n}", "new": ANOTHER}) for n in range(6)]
    assert [answer.status_code for answer in tried] == [403] * 5 + [429]
