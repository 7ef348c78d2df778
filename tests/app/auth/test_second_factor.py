"""The second factor, through HTTP. The clock of the codes is the test's."""

from dataclasses import replace

import pyotp
import pytest
from pydantic import SecretStr

from app.config import Settings
from app.core.auth.throttle import CODE
from tests.support.app import PASSWORD, SECRET, build

AUTH = "/api/v1/auth"
NOON = 1_800_000_000.0


class Clock:
    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now

    def code(self, secret, steps=0):
        return pyotp.TOTP(secret).at(int(self.now + 30 * steps))


@pytest.fixture
def clock(clinic_app):
    clock = Clock()
    clinic_app.app.state.auth = replace(clinic_app.app.state.auth, clock=clock)
    return clock


@pytest.fixture
async def sol(clinic_app):
    clinic = await clinic_app.add_clinic("Sol")
    await clinic_app.add_user(admin=clinic)
    return clinic


@pytest.fixture
async def ana(clinic_app, sol):
    async with await clinic_app.signed_in() as client:
        yield client


@pytest.fixture
async def enrolled(ana, clock):
    """Ana's secret and recovery codes."""
    secret = (await ana.post(f"{AUTH}/second-factor", json={"password": PASSWORD})).json()["data"]["secret"]
    done = await ana.post(f"{AUTH}/second-factor/confirm", json={"code": clock.code(secret)})
    assert done.status_code == 200, done.text
    clock.now += 30
    return secret, done.json()["data"]["recovery_codes"]


async def first_step(client):
    answer = await client.post(f"{AUTH}/login", json={"email": "ana@example.com", "password": PASSWORD})
    assert answer.status_code == 401
    [error] = answer.json()["errors"]
    assert error["code"] == "second_factor_needed"
    return error["pending"]


async def second_step(client, pending, code):
    return await client.post(f"{AUTH}/login/second-factor", json={"pending": pending, "code": code})


def codes_of(answer):
    return [error["code"] for error in answer.json()["errors"]]


async def test_once_confirmed_signing_in_asks_for_a_code(clinic_app, clock, enrolled):
    async with clinic_app.client() as client:
        done = await second_step(client, await first_step(client), clock.code(enrolled[0]))
        assert done.status_code == 200
        token = done.json()["data"]["access_token"]
        me = (await client.get(f"{AUTH}/me", headers={"Authorization": f"Bearer {token}"})).json()["data"]
    assert me["user"]["has_second_factor"]


async def test_the_password_alone_opens_no_session(clinic_app, enrolled):
    before = await clinic_app.sql("SELECT count(*) FROM refresh_tokens WHERE revoked_at IS NULL")
    async with clinic_app.client() as client:
        pending = await first_step(client)
        assert not client.cookies
        for headers in ({"Authorization": f"Bearer {pending}"},):
            assert (await client.get(f"{AUTH}/me", headers=headers)).status_code == 401
    assert await clinic_app.sql("SELECT count(*) FROM refresh_tokens WHERE revoked_at IS NULL") == before


async def test_a_code_works_once_and_so_does_none_before_it(clinic_app, clock, enrolled):
    async with clinic_app.client() as client:
        code = clock.code(enrolled[0])
        assert (await second_step(client, await first_step(client), code)).status_code == 200
        assert codes_of(await second_step(client, await first_step(client), code)) == ["second_factor_wrong"]
        assert codes_of(await second_step(client, await first_step(client), clock.code(enrolled[0], -1))) == ["second_factor_wrong"]


@pytest.mark.parametrize(("steps", "status"), [(-2, 401), (1, 200), (2, 401)])
async def test_a_phones_clock_may_be_off_by_one_step(clinic_app, clock, enrolled, steps, status):
    clock.now += 300
    async with clinic_app.client() as client:
        assert (await second_step(client, await first_step(client), clock.code(enrolled[0], steps))).status_code == status


async def test_guessing_codes_is_slow_work(clinic_app, clock, enrolled):
    async with clinic_app.client() as client:
        pending = await first_step(client)
        for _ in range(CODE.attempts):
            assert codes_of(await second_step(client, pending, "000000")) == ["second_factor_wrong"]
        refused = await second_step(client, pending, clock.code(enrolled[0]))
    assert refused.status_code == 429
    assert await clinic_app.sql("SELECT count(*) FROM access_log WHERE event = 'second_factor_refused'") == CODE.attempts


async def test_a_recovery_code_stands_in_for_the_app_once(clinic_app, enrolled):
    code = enrolled[1][3]
    async with clinic_app.client() as client:
        assert (await second_step(client, await first_step(client), code.upper())).status_code == 200
        assert codes_of(await second_step(client, await first_step(client), code)) == ["second_factor_wrong"]
    assert await clinic_app.sql("SELECT count(*) FROM access_log WHERE event = 'recovery_code_used'") == 1


async def test_new_recovery_codes_replace_the_old_ones(clinic_app, ana, clock, enrolled):
    renewed = await ana.post(f"{AUTH}/second-factor/recovery-codes", json={"code": clock.code(enrolled[0])})
    assert renewed.status_code == 200
    async with clinic_app.client() as client:
        assert (await second_step(client, await first_step(client), enrolled[1][0])).status_code == 401
        assert (await second_step(client, await first_step(client), renewed.json()["data"]["recovery_codes"][0])).status_code == 200


@pytest.mark.parametrize("pending", ["", "x", "a.b.c"])
async def test_the_second_step_needs_the_first(clinic_app, clock, enrolled, pending):
    async with clinic_app.client() as client:
        answer = await second_step(client, pending or "-", clock.code(enrolled[0]))
        assert codes_of(answer) == ["sign_in_expired"]


async def test_a_session_token_is_no_first_step(clinic_app, ana, clock, enrolled):
    token = ana.headers["Authorization"].removeprefix("Bearer ")
    assert codes_of(await second_step(ana, token, clock.code(enrolled[0]))) == ["sign_in_expired"]


async def test_setting_it_up_takes_the_password_and_ends_the_other_sessions(clinic_app, ana, clock):
    assert codes_of(await ana.post(f"{AUTH}/second-factor", json={"password": "not hers at all"})) == ["password_wrong"]
    async with await clinic_app.signed_in() as elsewhere:
        secret = (await ana.post(f"{AUTH}/second-factor", json={"password": PASSWORD})).json()["data"]["secret"]
        assert (await elsewhere.get(f"{AUTH}/me")).status_code == 200
        await ana.post(f"{AUTH}/second-factor/confirm", json={"code": clock.code(secret)})
        assert (await elsewhere.get(f"{AUTH}/me")).status_code == 401
    assert (await ana.get(f"{AUTH}/second-factor")).json()["data"] == {"in_force": True, "recovery_codes_left": 10}


async def test_it_is_not_in_force_before_a_code_was_shown(clinic_app, ana, clock):
    await ana.post(f"{AUTH}/second-factor", json={"password": PASSWORD})
    assert codes_of(await ana.post(f"{AUTH}/second-factor/confirm", json={"code": "123456"})) == ["second_factor_wrong"]
    async with await clinic_app.signed_in() as client:
        assert (await client.get(f"{AUTH}/me")).status_code == 200


async def test_one_in_force_is_not_replaced_without_being_removed(ana, clock, enrolled):
    assert codes_of(await ana.post(f"{AUTH}/second-factor", json={"password": PASSWORD})) == ["second_factor_enrolled"]
    assert (await ana.post(f"{AUTH}/second-factor/remove", json={"code": "000000"})).status_code == 401
    assert (await ana.post(f"{AUTH}/second-factor/remove", json={"code": clock.code(enrolled[0])})).status_code == 200
    assert codes_of(await ana.post(f"{AUTH}/second-factor/remove", json={"code": "000000"})) == ["no_second_factor"]
    assert (await ana.post(f"{AUTH}/second-factor", json={"password": PASSWORD})).status_code == 201


async def test_a_clinic_that_asks_for_it_lets_nobody_work_without(clinic_app, sol, ana, clock):
    await clinic_app.add_user("bo@example.com", dentist=sol)
    asked = await ana.patch(f"/api/v1/clinics/{sol}", json={"second_factor_required": True})
    assert asked.status_code == 200
    async with await clinic_app.signed_in("bo@example.com") as bo:
        assert codes_of(await bo.get("/api/v1/shelf/notes")) == ["second_factor_required"]
        secret = (await bo.post(f"{AUTH}/second-factor", json={"password": PASSWORD})).json()["data"]["secret"]
        await bo.post(f"{AUTH}/second-factor/confirm", json={"code": clock.code(secret)})
        assert (await bo.get("/api/v1/shelf/notes")).status_code == 200


async def test_the_secret_is_stored_sealed_for_its_owner(clinic_app, enrolled):
    stored = await clinic_app.sql(
        "SELECT string_agg(f::text, '') || (SELECT string_agg(r::text, '') FROM recovery_codes r) FROM second_factors f"
    )
    assert enrolled[0] not in stored
    assert not [code for code in enrolled[1] if code in stored or code.replace("-", "") in stored]


async def test_with_another_key_recovery_codes_still_work(clinic_app, clock, enrolled):
    settings = Settings(secret_key=SecretStr(SECRET), data_key=SecretStr("the data key of another day, quite long"))
    other = build(clinic_app.schema, clinic_app.database, settings=settings)
    async with other.client() as client:
        assert codes_of(await second_step(client, await first_step(client), clock.code(enrolled[0]))) == ["second_factor_unreadable"]
        assert (await second_step(client, await first_step(client), enrolled[1][0])).status_code == 200


async def test_on_the_pages_the_code_is_a_second_form(clinic_app, clock, enrolled):
    async with clinic_app.client() as client:
        form = await client.post("/sign-in", data={"email": "ana@example.com", "password": PASSWORD})
        assert form.status_code == 200
        assert 'autocomplete="one-time-code"' in form.text
        pending = form.text.split('name="pending" value="')[1].split('"')[0]
        wrong = await client.post("/sign-in/code", data={"pending": pending, "code": "²²²²²²"})
        assert wrong.status_code == 401
        assert "not right" in wrong.text
        right = await client.post(
            "/sign-in/code", data={"pending": pending, "code": f" {clock.code(enrolled[0])[:3]} {clock.code(enrolled[0])[3:]}"}
        )
        assert right.status_code == 303
        assert (await client.get("/")).status_code == 200
        late = await client.post("/sign-in/code", data={"pending": "gone", "code": "123456"})
        assert "Sign in again" in late.text


async def test_on_the_account_page_it_is_set_up_and_removed(clinic_app, sol, clock):
    await clinic_app.sql("UPDATE clinics SET second_factor_required = true")
    async with clinic_app.client() as client:
        assert (await client.get("/account")).headers["location"] == "/sign-in"
        await client.post("/sign-in", data={"email": "ana@example.com", "password": PASSWORD})
        assert "asks everybody for a second factor" in (await client.get("/")).text
        assert "not your password" in (await client.post("/account/second-factor", data={"password": "guessed"})).text
        form = (await client.post("/account/second-factor", data={"password": PASSWORD})).text
        secret = form.split("<code>")[1].split("</code>")[0]
        kept = {"secret": secret, "uri": form.split('name="uri" value="')[1].split('"')[0].replace("&amp;", "&")}
        assert (await client.post("/account/second-factor/confirm", data={**kept, "code": "000000"})).status_code == 401
        codes = await client.post("/account/second-factor/confirm", data={**kept, "code": clock.code(secret.replace(" ", ""))})
        assert codes.text.count("<code>") == 10
        clock.now += 30
        assert "asks everybody" not in (await client.get("/")).text
        removed = await client.post("/account/second-factor/remove", data={"code": clock.code(secret.replace(" ", ""))})
        assert removed.headers["location"] == "/account?done=factor_removed"


async def test_on_the_account_page_a_password_is_changed_and_other_sessions_end(clinic_app, sol):
    new = "something long and new"
    async with clinic_app.client() as client, await clinic_app.signed_in() as elsewhere:
        await client.post("/sign-in", data={"email": "ana@example.com", "password": PASSWORD})
        form = {"current": PASSWORD, "password": new, "password_again": new}
        assert (await client.post("/account/password", data={**form, "current": "guessed"})).status_code == 403
        assert (await client.post("/account/password", data={**form, "password_again": "other"})).status_code == 422
        changed = await client.post("/account/password", data=form)
        assert "signed out everywhere else" in (await client.get(changed.headers["location"])).text
        assert (await elsewhere.get(f"{AUTH}/me")).status_code == 401
    async with await clinic_app.signed_in(password=new) as again, clinic_app.client() as client:
        await client.post("/sign-in", data={"email": "ana@example.com", "password": new})
        assert (await client.post("/account/sessions")).status_code == 303
        assert (await again.get(f"{AUTH}/me")).status_code == 401
