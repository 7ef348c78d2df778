"""The clinic is asked, answers, and ends it; nobody else can let support in."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from app.core.support.states import OPEN, TRANSITIONS, AccessState
from dentalpin_kit.tokens import SigningKey
from tests.app.support.conftest import OPERATOR


async def test_a_request_waits_for_the_clinic_and_opens_nothing(runtime, owner):
    access_id = await runtime.asked()
    again = await runtime.asked(access_id=access_id)
    [listed] = (await runtime.client.get("/api/v1/support", headers=owner)).json()["data"]
    refused = await runtime.come_in(access_id)

    assert again == access_id
    assert (listed["state"], listed["operator"], listed["reason"]) == ("requested", OPERATOR, "The calendar does not load")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (401, "support_session_over")


async def test_the_clinic_lets_support_in_and_the_platform_hears_who_did(runtime, owner):
    access_id = await runtime.accepted(owner, minutes=60)
    told = await runtime.state(access_id)
    entered = await runtime.come_in(access_id)
    now = runtime.clock.now()

    assert (told["state"], told["decided_by"]) == ("active", "admin@a.example")
    assert entered.json()["data"]["ends_at"] == (now + timedelta(minutes=60)).isoformat().replace("+00:00", "Z")


async def test_one_clinics_administrator_cannot_let_support_into_all_of_them_but_can_say_no(runtime, two_clinics):
    access_id = await runtime.asked()
    headers = two_clinics.b.headers
    accepted = await runtime.client.post(f"/api/v1/support/{access_id}/accept", json={}, headers=headers)
    receptionist = await runtime.client.post(
        f"/api/v1/support/{access_id}/decline", json={}, headers=two_clinics.b.headers_of("receptionist")
    )
    declined = await runtime.client.post(f"/api/v1/support/{access_id}/decline", json={"note": "Call us first"}, headers=headers)
    told = await runtime.state(access_id)

    assert accepted.json()["errors"][0]["code"] == "permission_needed_in_every_clinic"
    assert receptionist.json()["errors"][0]["code"] == "permission_denied"
    assert declined.json()["data"]["state"] == "declined"
    assert (told["state"], told["note"], told["decided_by"]) == ("declined", "Call us first", "admin@b.example")


async def test_of_two_answers_at_once_one_wins(runtime, owner):
    access_id = await runtime.asked()
    answers = await asyncio.gather(
        *(runtime.client.post(f"/api/v1/support/{access_id}/{what}", json={}, headers=owner) for what in ("accept", "decline"))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    [lost] = [answer for answer in answers if answer.status_code == 409]
    assert lost.json()["errors"][0]["code"] == "support_access_over"


async def test_a_request_nobody_answers_lapses(runtime, owner):
    access_id = await runtime.asked()
    runtime.clock.advance(hours=24)
    late = await runtime.client.post(f"/api/v1/support/{access_id}/accept", json={}, headers=owner)
    assert (late.status_code, (await runtime.state(access_id))["state"]) == (409, "lapsed")


async def test_the_platform_takes_its_request_back_or_ends_the_access_at_once(runtime, owner):
    waiting = await runtime.asked()
    headers, active = await runtime.inside(owner)
    for access_id in (waiting, active, active):
        assert (await runtime.platform("DELETE", f"/api/v1/-/support/{access_id}")).status_code == 200
    assert ((await runtime.state(waiting))["state"], (await runtime.state(active))["state"]) == ("withdrawn", "closed")
    assert (await runtime.client.get("/api/v1/modules/-/active", headers=headers)).status_code == 401


async def test_a_pass_works_once_for_the_person_it_names(runtime, owner):
    access_id = await runtime.accepted(owner)
    another = await runtime.come_in(access_id, operator="mallory@platform.example")
    unknown = await runtime.come_in(str(uuid4()))
    assert (another.status_code, unknown.status_code) == (401, 401)


async def test_only_the_platforms_own_token_for_support_asks(runtime):
    body = {"operator": "x", "operator_name": "x", "reason": "x", "minutes": 5, "expires_at": "2030-01-01T00:00:00Z"}
    path = f"/api/v1/-/support/{uuid4()}"
    forged = await runtime.platform("PUT", path, body, key=SigningKey.generate())
    other = await runtime.platform("PUT", path, body, purpose="attest")
    longer = await runtime.platform("PUT", path, {**body, "minutes": 61})
    assert (forged.status_code, other.status_code, longer.status_code) == (401, 401, 422)


async def test_everything_stands_in_the_clinics_trail(runtime, owner):
    headers, access_id = await runtime.inside(owner)
    await runtime.client.get("/api/v1/modules/-/active", headers=headers)
    await runtime.client.post(f"/api/v1/support/{access_id}/revoke", headers=owner)
    trail = (await runtime.client.get("/api/v1/users/-/trail", headers=owner)).json()["data"]
    told = [each["event"] for each in trail if each["event"].startswith("support_")]
    assert told == ["support_revoked", "support_opened", "support_accepted", "support_requested"]


@pytest.mark.parametrize("state", AccessState)
def test_every_state_is_open_with_an_end_or_final(state):
    ends = {target for (source, _), target in TRANSITIONS.items() if source == state}
    assert (state in OPEN) == bool(ends)
    assert all(target not in OPEN or target is AccessState.ACTIVE for target in ends)


async def test_the_database_lets_nobody_in_without_consent_or_for_longer(runtime, operations):
    access_id = await runtime.asked()
    for change in ("state = 'active'", "state = 'active', decided_by = id, decided_at = now(), ends_at = now() + interval '61 minutes'"):
        with pytest.raises(Exception, match="ck_support_accesses"):
            await operations.fetch(f"UPDATE support_accesses SET {change} WHERE id = $1", access_id)
