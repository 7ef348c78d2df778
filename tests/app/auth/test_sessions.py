"""Signing in, renewing, signing out: through HTTP."""

import asyncio
from datetime import timedelta

import pytest

from app.core.auth import tokens
from app.core.auth.throttle import PAIR
from tests.support.app import PASSWORD

LOGIN = "/api/v1/auth/login"
REFRESH = "/api/v1/auth/refresh"
ME = "/api/v1/auth/me"


@pytest.fixture
async def ana(clinic_app):
    """Ana, a dentist in one clinic; her user id."""
    return await clinic_app.add_user("ana@example.com", dentist=await clinic_app.add_clinic())


@pytest.fixture
async def client(clinic_app, ana):
    async with clinic_app.client() as client:
        yield client


async def login(client, email="ana@example.com", password=PASSWORD):
    return await client.post(LOGIN, json={"email": email, "password": password})


async def tokens_of(client):
    data = (await login(client)).json()["data"]
    client.cookies.clear()
    return data


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


async def test_signing_in_gives_a_pair_of_tokens_and_a_cookie(client):
    answer = await login(client, email="  Ana@Example.COM ")
    data = answer.json()["data"]
    assert answer.status_code == 200
    assert data["token_type"] == "bearer"
    assert data["expires_in"] == 600
    assert (await client.get(ME, headers=bearer(data["access_token"]))).json()["data"]["user"]["email"] == "ana@example.com"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("email", "password"), [("ana@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("ana@example.com", "x" * 900)]
)
async def test_who_is_unknown_and_what_is_wrong_look_the_same(client, email, password):
    answer = await login(client, email, password)
    assert answer.status_code == 401
    assert answer.json()["errors"] == [{"code": "wrong_credentials"}]
    assert "set-cookie" not in answer.headers


async def test_an_account_without_a_password_or_disabled_cannot_sign_in(clinic_app, client):
    await clinic_app.add_user("new@example.com", password=None)
    assert (await login(client, "new@example.com", "")).status_code == 401
    await clinic_app.sql("UPDATE users SET status = 'disabled' WHERE email = 'ana@example.com'")
    assert (await login(client)).status_code == 401


async def test_a_disabled_person_is_out_at_once(clinic_app, client):
    data = await tokens_of(client)
    await clinic_app.sql("UPDATE users SET status = 'disabled'")
    assert (await client.get(ME, headers=bearer(data["access_token"]))).status_code == 401
    assert (await client.post(REFRESH, json={"refresh_token": data["refresh_token"]})).status_code == 401


async def test_a_refresh_token_is_exchanged_once(client):
    first = await tokens_of(client)
    second = (await client.post(REFRESH, json={"refresh_token": first["refresh_token"]})).json()["data"]
    assert second["refresh_token"] != first["refresh_token"]
    assert (await client.get(ME, headers=bearer(second["access_token"]))).status_code == 200


async def test_a_refresh_token_used_twice_ends_the_whole_session(client):
    first = await tokens_of(client)
    second = (await client.post(REFRESH, json={"refresh_token": first["refresh_token"]})).json()["data"]
    again = await client.post(REFRESH, json={"refresh_token": first["refresh_token"]})
    assert again.status_code == 401
    assert again.json()["errors"] == [{"code": "refresh_reused"}]
    assert (await client.post(REFRESH, json={"refresh_token": second["refresh_token"]})).status_code == 401
    assert (await client.get(ME, headers=bearer(second["access_token"]))).status_code == 401


async def test_of_two_exchanges_at_once_one_wins_and_the_session_ends(clinic_app, client):
    first = await tokens_of(client)
    answers = await asyncio.gather(*(client.post(REFRESH, json={"refresh_token": first["refresh_token"]}) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 401]
    assert await clinic_app.sql("SELECT count(*) FROM refresh_tokens WHERE revoked_at IS NULL") == 0


async def test_one_session_ending_leaves_the_others_alone(client):
    one, other = await tokens_of(client), await tokens_of(client)
    assert (await client.post("/api/v1/auth/logout", headers=bearer(one["access_token"]))).status_code == 200
    assert (await client.get(ME, headers=bearer(one["access_token"]))).json()["errors"] == [{"code": "session_ended"}]
    assert (await client.post(REFRESH, json={"refresh_token": one["refresh_token"]})).status_code == 401
    assert (await client.get(ME, headers=bearer(other["access_token"]))).status_code == 200


async def test_an_expired_or_unknown_refresh_token_is_refused(clinic_app, client):
    data = await tokens_of(client)
    await clinic_app.sql("UPDATE refresh_tokens SET expires_at = now() - interval '1 second'")
    for token in (data["refresh_token"], "never issued"):
        answer = await client.post(REFRESH, json={"refresh_token": token})
        assert answer.status_code == 401
        assert answer.json()["errors"] == [{"code": "refresh_refused"}]


async def test_renewing_does_not_outlast_the_longest_session(clinic_app, client):
    data = await tokens_of(client)
    await clinic_app.sql("UPDATE refresh_tokens SET created_at = now() - interval '29 days'")
    await client.post(REFRESH, json={"refresh_token": data["refresh_token"]})
    assert await clinic_app.sql(
        "SELECT max(expires_at) < now() + interval '7 days' AND max(expires_at) > now() FROM refresh_tokens WHERE used_at IS NULL"
    )


async def test_refresh_tokens_are_stored_as_digests_only(clinic_app, client):
    data = await tokens_of(client)
    assert await clinic_app.sql("SELECT count(*) FROM refresh_tokens WHERE token_hash = $1", data["refresh_token"]) == 0


async def test_an_expired_access_token_is_refused(client, monkeypatch):
    monkeypatch.setattr(tokens, "ACCESS_LIFETIME", timedelta(seconds=-1))
    data = await tokens_of(client)
    answer = await client.get(ME, headers=bearer(data["access_token"]))
    assert answer.status_code == 401
    assert answer.json()["errors"] == [{"code": "session_ended"}]
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."])
async def test_what_is_no_token_of_ours_is_refused(client, token):
    answer = await client.get(ME, headers={"Authorization": f"Bearer {token}"} if token else {})
    assert answer.status_code == 401
    assert answer.json()["errors"] == [{"code": "not_signed_in"}]


async def test_a_cookie_signs_in_and_is_no_bearer_token(client):
    cookie = (await login(client)).cookies
    [(name, value)] = cookie.items()
    assert name.startswith("dentalpin_")
    assert (await client.get(ME)).status_code == 200
    client.cookies.clear()
    assert (await client.get(ME, headers=bearer(value))).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://clinic.test:8001"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_another_origin_cannot_change_anything_with_a_cookie(clinic_app, client, headers):
    await login(client)
    answer = await client.post("/api/v1/shelf/notes", json={"body": "forged"}, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["errors"] == [{"code": "cross_origin"}]
    assert await clinic_app.sql("SELECT count(*) FROM shelf_notes") == 0


async def test_the_same_origin_can(client):
    await login(client)
    own = {"Origin": "http://clinic.test", "Sec-Fetch-Site": "same-origin"}
    assert (await client.post("/api/v1/shelf/notes", json={"body": "mine"}, headers=own)).status_code == 201


async def test_failed_attempts_make_an_account_wait_whatever_headers_say(client):
    for number in range(PAIR.attempts):
        answer = await client.post(
            LOGIN, json={"email": "ana@example.com", "password": "no"}, headers={"X-Forwarded-For": f"203.0.113.{number}"}
        )
        assert answer.status_code == 401
    refused = await login(client)
    assert refused.status_code == 429
    assert refused.json()["errors"][0]["code"] == "too_many_attempts"
    assert int(refused.headers["retry-after"]) <= PAIR.seconds + 1


async def test_a_wrong_body_is_refused_without_repeating_it(client):
    answer = await client.post(LOGIN, json={"email": "ana@example.com", "password": ["hunter2-hunter2"]})
    assert answer.status_code == 422
    assert answer.json()["data"] is None
    assert answer.json()["errors"][0]["field"] == "body.password"
    assert "hunter2" not in answer.text


async def test_somebody_sees_where_they_are_signed_in_and_ends_a_session(client):
    here, there = await tokens_of(client), await tokens_of(client)
    headers = bearer(here["access_token"])
    sessions = (await client.get("/api/v1/auth/sessions", headers=headers)).json()["data"]
    assert [each["current"] for each in sessions] == [False, True]
    assert {each["peer"] for each in sessions} == {"192.0.2.7"}
    ended = await client.delete(f"/api/v1/auth/sessions/{sessions[0]['id']}", headers=headers)
    assert ended.status_code == 200
    assert (await client.get(ME, headers=bearer(there["access_token"]))).json()["errors"] == [{"code": "session_ended"}]
    assert (await client.get(ME, headers=headers)).status_code == 200
    again = await client.delete(f"/api/v1/auth/sessions/{sessions[0]['id']}", headers=headers)
    assert again.json()["errors"] == [{"code": "session_unknown"}]


async def test_nobody_ends_another_persons_session(clinic_app, client):
    await clinic_app.add_user("eva@example.com")
    data = await tokens_of(client)
    [session] = (await client.get("/api/v1/auth/sessions", headers=bearer(data["access_token"]))).json()["data"]
    async with await clinic_app.signed_in("eva@example.com") as eva:
        assert (await eva.delete(f"/api/v1/auth/sessions/{session['id']}")).status_code == 404
    assert (await client.get(ME, headers=bearer(data["access_token"]))).status_code == 200


async def test_signing_out_everywhere_else_keeps_this_session(client):
    here, there = await tokens_of(client), await tokens_of(client)
    assert (await client.delete("/api/v1/auth/sessions", headers=bearer(here["access_token"]))).status_code == 200
    assert (await client.get(ME, headers=bearer(here["access_token"]))).status_code == 200
    assert (await client.get(ME, headers=bearer(there["access_token"]))).status_code == 401


async def test_sign_ins_and_refusals_are_in_ones_own_trail(client):
    await login(client, password="wrong")
    data = await tokens_of(client)
    entries = (await client.get("/api/v1/auth/trail", headers=bearer(data["access_token"]))).json()
    assert [entry["event"] for entry in entries["data"]] == ["signed_in", "sign_in_refused"]
    assert entries["total"] == 2
    assert entries["data"][0]["peer"] == "192.0.2.7"


async def test_behind_a_proxy_the_operator_named_its_word_about_the_client_counts(clinic_app, ana):
    from pydantic import SecretStr

    from app.config import Settings
    from tests.support.app import SECRET, build

    behind = build(
        clinic_app.schema, clinic_app.database, settings=Settings(secret_key=SecretStr(SECRET), trusted_proxies="192.0.2.0/24, 10.0.0.1")
    )
    async with behind.client(**{"X-Forwarded-For": "203.0.113.66, 198.51.100.4, 10.0.0.1"}) as client:
        data = await tokens_of(client)
        [session] = (await client.get("/api/v1/auth/sessions", headers=bearer(data["access_token"]))).json()["data"]
    assert session["peer"] == "198.51.100.4"
