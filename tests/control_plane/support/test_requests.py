"""What becomes of a request on the platform's side, whatever the runtime answers or does not."""

from datetime import timedelta

import pytest

from control_plane.access.scopes import Kind, Role
from control_plane.deployers.base import RuntimeRefused
from control_plane.support import passes
from control_plane.support.asking import MEANING
from control_plane.support.states import MACHINE, UNFINISHED, SupportEvent, SupportState
from control_plane.support.stuck import TRIED

SUPPORT, ADMIN, OWNER = (Kind.OPERATOR, Role.SUPPORT), (Kind.OPERATOR, Role.ADMIN), (Kind.OWNER, Role.OWNER)
ASK = {"why": "The calendar does not load", "minutes": 20}
PATH = "/v1/tenants/own/support"


async def asked(world, **more):
    answer = await world.client.post(PATH, json={**ASK, **more}, headers=world.people.headers[SUPPORT])
    assert answer.status_code == 201, answer.text
    return answer.json()


async def state(world, made):
    found = (await world.client.get(f"{PATH}/{made['id']}")).json()
    return found["state"], found["reason"]


async def test_who_may_ask_and_for_what(world):
    nobodys_key = await world.client.post(PATH, json=ASK)
    owner = await world.client.post(PATH, json=ASK, headers=world.people.headers[OWNER])
    too_long = await world.client.post(PATH, json={**ASK, "minutes": 61}, headers=world.people.headers[SUPPORT])
    made = await asked(world)
    again = await world.client.post(PATH, json=ASK, headers=world.people.headers[SUPPORT])
    before = await world.client.post(f"{PATH}/{made['id']}/pass", headers=world.people.headers[SUPPORT])
    another = await world.client.post(f"{PATH}/{made['id']}/pass", headers=world.people.headers[ADMIN])

    assert [answer.json()["code"] for answer in (nobodys_key, owner, too_long, again, before, another)] == [
        "support_needs_a_person",
        "scope_needed",
        "invalid_request",
        "support_asked_already",
        "support_not_open",
        "support_of_another",
    ]


async def test_a_request_that_cannot_be_brought_says_so_and_lapses_by_itself(world, clock):
    world.deployer.away = True
    made = await asked(world, expires_in_hours=1)
    await world.look()
    waiting = await state(world, made)
    clock.advance(minutes=61)
    await world.look()

    assert waiting == ("sending", "the runtime does not answer")
    assert await state(world, made) == ("lapsed", "the runtime does not answer")
    assert await world.audited() == ["support.requested", "support.lapsed"]


async def test_a_release_without_support_access_is_named_as_the_reason(world):
    world.deployer.old = True
    made = await asked(world)
    await world.look()
    found, reason = await state(world, made)
    assert (found, "newer release" in reason) == ("failed", True)


async def test_the_owner_is_mailed_once_the_clinic_can_answer(world, clock):
    await asked(world)
    before = (await world.client.get("/v1/mails")).json()["items"]
    for _ in range(2):
        clock.advance(seconds=20)
        await world.look()
    told = [mail for mail in (await world.client.get("/v1/mails")).json()["items"] if mail["template"] == "support_requested"]
    assert not [mail for mail in before if mail["template"] == "support_requested"]
    assert [mail["to"] for mail in told] == ["own@clinic.example"]


async def test_a_sleeping_runtime_is_woken_now_and_then_and_not_all_the_time(world, clock):
    made = await asked(world)
    await world.look()
    world.deployer.asleep, world.deployer.asked = True, 0
    for _ in range(12):
        clock.advance(seconds=30)
        await world.look()
    assert world.deployer.asked == 1
    assert (await state(world, made))[0] == "asked"


async def test_ending_holds_at_once_also_where_the_runtime_is_away(world, clock):
    made = await asked(world)
    await world.look()
    world.deployer.away = True
    ended = await world.client.delete(f"{PATH}/{made['id']}", headers=world.people.headers[OWNER])
    given = await world.client.post(f"{PATH}/{made['id']}/pass", headers=world.people.headers[SUPPORT])
    clock.advance(hours=25)
    await world.look()
    assert (ended.json()["state"], given.json()["code"]) == ("closing", "support_not_open")
    assert (await state(world, made))[0] == "lapsed"


async def test_more_sleeping_runtimes_than_are_asked_at_once_hold_up_no_other(world, clock, monkeypatch):
    monkeypatch.setattr(passes, "AT_ONCE", 1)
    resting = await asked(world)
    await world.look()
    clock.advance(seconds=20)
    world.deployer.asleep = True
    fresh = await world.client.post(PATH, json=ASK, headers=world.people.headers[ADMIN])
    await world.look()
    assert [(await state(world, one))[0] for one in (resting, fresh.json())] == ["asked", "asked"]


async def test_a_request_taken_back_while_it_is_brought_is_taken_back_there_too(world):
    """The runtime hears of the end first and of the request after it: else the clinic would be asked for what nobody wants any more."""
    made, told = await asked(world), []

    async def answer(tenant_id, method, path, json=None, token=None):
        told.append(method)
        if method == "PUT":
            await world.client.delete(f"{PATH}/{made['id']}", headers=world.people.headers[SUPPORT])
            return {"data": {"state": "requested"}}
        if told == ["PUT", "DELETE"]:
            raise RuntimeRefused("nothing of that id", answered=404)
        return {"data": {"state": "withdrawn"}}

    world.deployer.request = answer
    await world.look()
    assert told == ["PUT", "DELETE", "DELETE"]
    assert (await state(world, made))[0] == "closed"


async def test_a_clinic_put_back_to_before_its_consent_ends_the_access(world, clock):
    """And breaks nothing: a consent is not there any more, so it is not kept without its end either."""
    now, answers = clock.now(), []

    async def answer(tenant_id, method, path, json=None, token=None):
        return {"data": answers.pop(0)}

    world.deployer.request = answer
    made = await asked(world)
    ends = {"decided_at": now.isoformat(), "ends_at": (now + timedelta(minutes=20)).isoformat()}
    seen = []
    for said in ({"state": "active", **ends}, {"state": "lapsed"}, {"state": "lapsed"}):
        answers.append(said)
        await world.look()
        clock.advance(seconds=20)
        seen.append(await state(world, made))
    given = await world.client.post(f"{PATH}/{made['id']}/pass", headers=world.people.headers[SUPPORT])
    assert [one for one, _ in seen] == ["open", "closing", "lapsed"]
    assert "put back" in seen[1][1]
    assert given.json()["code"] == "support_not_open"


async def test_an_end_that_the_runtime_does_not_hear_of_is_among_what_is_stuck(world, clock):
    made = await asked(world)
    await world.look()
    world.deployer.away = True
    await world.client.delete(f"{PATH}/{made['id']}", headers=world.people.headers[SUPPORT])

    async def stuck():
        items = (await world.client.get("/v1/stuck")).json()["items"]
        return [(one["id"], one["state"], one["runbook"]) for one in items if one["what"] == "support"]

    early = await stuck()
    for _ in range(TRIED):
        clock.advance(minutes=1)
        await world.look()
    assert (early, await stuck()) == ([], [(made["id"], "closing", "support-unheard.md")])


def test_every_state_of_the_runtime_is_understood_wherever_a_request_may_stand():
    """Else an answer would be heard and lead nowhere: only that nothing has changed may do so."""
    unmoved = {
        (SupportState.ASKED, SupportEvent.DELIVERED),
        (SupportState.OPEN, SupportEvent.ACCEPTED),
        # The runtime went back to a backup from before: `hear` ends it, whatever else it says.
        (SupportState.OPEN, SupportEvent.DELIVERED),
        (SupportState.OPEN, SupportEvent.DECLINED),
        (SupportState.OPEN, SupportEvent.NOBODY_ANSWERED),
        # The clinic was not told yet that it is over.
        (SupportState.CLOSING, SupportEvent.DELIVERED),
        (SupportState.CLOSING, SupportEvent.ACCEPTED),
    }
    lost = {(where, event) for where in UNFINISHED for event in MEANING.values() if not MACHINE.allows(where, event)}
    assert lost == unmoved


@pytest.mark.parametrize("where", sorted(UNFINISHED))
def test_every_unfinished_state_ends_with_its_time(where):
    for event in (SupportEvent.TIME_OVER, SupportEvent.NOBODY_ANSWERED):
        target = MACHINE.allows(where, event) and MACHINE.target(where, event)
        if (where, event) != (SupportState.OPEN, SupportEvent.NOBODY_ANSWERED):
            assert target in MACHINE.final
