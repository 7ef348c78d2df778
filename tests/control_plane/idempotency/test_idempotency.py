"""A POST may be sent again."""

import asyncio

import pytest
from sqlalchemy import text

BODY = {"name": "Clínica Sol", "country": "ES", "owner_email": "ana@sol.example", "modules": ["agenda"]}


async def number_of_tenants(platform):
    async with platform.database.transaction() as session:
        return await session.scalar(text("SELECT count(*) FROM tenant"))


async def test_the_same_key_and_body_replays_the_answer(client, platform):
    first = await client.post("/v1/tenants", json=BODY, headers={"Idempotency-Key": "k1"})
    again = await client.post("/v1/tenants", json=BODY, headers={"Idempotency-Key": "k1"})

    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert await number_of_tenants(platform) == 1


async def test_the_same_key_with_another_body_is_refused(client, platform):
    await client.post("/v1/tenants", json=BODY, headers={"Idempotency-Key": "k1"})
    other = await client.post("/v1/tenants", json={**BODY, "name": "Luna"}, headers={"Idempotency-Key": "k1"})

    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await number_of_tenants(platform) == 1


async def test_the_same_key_at_another_address_is_refused(client):
    await client.post("/v1/keys", json={"name": "a"}, headers={"Idempotency-Key": "k1"})
    other = await client.post("/v1/releases/refresh", headers={"Idempotency-Key": "k1"})
    assert other.status_code == 422


async def test_requests_at_the_same_time_have_one_effect(client, platform):
    answers = await asyncio.gather(*(client.post("/v1/tenants", json=BODY, headers={"Idempotency-Key": "k1"}) for _ in range(5)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["tenant"]["id"] for answer in answers}) == 1
    assert await number_of_tenants(platform) == 1


async def test_a_refused_request_may_be_corrected_under_its_key(client, platform):
    refused = await client.post("/v1/tenants", json={**BODY, "modules": ["nonsense"]}, headers={"Idempotency-Key": "k1"})
    corrected = await client.post("/v1/tenants", json=BODY, headers={"Idempotency-Key": "k1"})

    assert (refused.status_code, corrected.status_code) == (422, 202)
    assert await number_of_tenants(platform) == 1


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_without_a_sensible_length_is_refused(client, key):
    assert (await client.post("/v1/tenants", json=BODY, headers={"Idempotency-Key": key})).json()["code"] == "idempotency_key_invalid"


async def test_a_key_of_another_caller_is_another_key(client, platform):
    other = (await client.post("/v1/keys", json={"name": "other"})).json()["key"]
    await client.post("/v1/tenants", json=BODY, headers={"Idempotency-Key": "k1"})
    answer = await client.post("/v1/tenants", json=BODY, headers={"Idempotency-Key": "k1", "Authorization": f"Bearer {other}"})

    assert answer.status_code == 202
    assert await number_of_tenants(platform) == 2


async def test_a_secret_is_shown_once_and_not_kept_for_a_repetition(client, platform):
    first = (await client.post("/v1/keys", json={"name": "Ana"}, headers={"Idempotency-Key": "k1"})).json()
    again = (await client.post("/v1/keys", json={"name": "Ana"}, headers={"Idempotency-Key": "k1"})).json()
    async with platform.database.transaction() as session:
        stored = await session.scalar(text("SELECT body FROM idempotent_answer"))

    assert again == {**first, "key": None}
    assert first["key"].encode() not in stored
    assert len((await client.get("/v1/keys")).json()["items"]) == 3
