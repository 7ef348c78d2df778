"""What becomes of a request on the platform's side, whatever the runtime answers or does not."""

import pytest

from control_plane.access.scopes import Kind, Role
from control_plane.support.asking import MEANING
from control_plane.support.states import MACHINE, UNFINISHED, SupportEvent, SupportState

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


def test_every_state_of_the_runtime_is_understood_wherever_a_request_may_stand():
    """Else an answer would be heard and lead nowhere: only that nothing has changed may do so."""
    unmoved = {
        (SupportState.ASKED, SupportEvent.DELIVERED),
        (SupportState.OPEN, SupportEvent.ACCEPTED),
        # The runtime went back to a backup from before: what was heard first counts.
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
