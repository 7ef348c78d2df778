"""Campaigns on a simulated fleet: what is begun when, what stops them, and what counts."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from control_plane.access.actors import WORKER
from control_plane.campaigns import service
from control_plane.campaigns.driving import drive_campaigns
from control_plane.campaigns.schemas import NewCampaign
from control_plane.simulators.deployer import Rule
from control_plane.simulators.fleet import populate

HOUR = 3600


async def test_everybody_is_moved_as_many_at_once_as_may(fleet, campaign, go_on, until, members, newer, deployer, client):
    tenants = await fleet(12)
    begun = await campaign(parallel=5)
    await go_on(0)
    first = await members(begun, state="running")
    over = await until(begun, "completed")

    assert len(first) == 5
    assert over["members"] == {"done": 12}
    assert {deployer.places[tenant].serving.release_id for tenant in tenants.values()} == {newer}
    tenant = (await client.get("/v1/tenants/clinic-3")).json()
    assert (tenant["state"], tenant["desired"]["release"], tenant["in_sync"]) == ("active", newer, True)


async def test_a_wave_that_breaks_halts_the_campaign_within_it(fleet, campaign, until, shown, members, newer, deployer, databases, client):
    """200 tenants; the release breaks half-way, with its data changed, on those of the second wave."""
    tenants = await fleet(200)
    plan = {
        "canary": 2,
        "canary_soak_minutes": 0,
        "approve_after_canary": False,
        "waves": [{"size": 18}, {"size": 60}, {"size": "rest"}],
        "parallel": 10,
        "halt_rate": 0.1,
        "halt_least": 5,
    }
    begun = await campaign(**plan)
    second = await members(begun, wave=2)
    deployer.rules = [Rule(frozenset(tenants[slug] for slug in second), newer, fails="migration 0042 failed", half_way=True)]

    await until(begun, "halted", seconds=600)
    halted = await shown(begun)

    assert halted["reason"].startswith("Wave 2: ")
    assert [(wave["state"], wave["members"].get("done", 0)) for wave in halted["waves"][:2]] == [("done", 2), ("done", 18)]
    broken = await members(begun, wave=2, state="failed")
    untouched = {**await members(begun, wave=2, state="pending"), **await members(begun, wave=3)}
    assert 5 <= len(broken) <= 10
    assert len(broken) + len(untouched) == 180
    assert {member["state"] for member in untouched.values()} == {"pending"}
    for slug in untouched:
        assert deployer.places[tenants[slug]].applied == [1]
    old = deployer.places[tenants[next(iter(untouched))]].serving.release_id
    for slug, member in broken.items():
        tenant = (await client.get(f"/v1/tenants/{slug}")).json()
        assert member["code"] == "rolled_back"
        assert "migration 0042 failed" in member["reason"]
        assert (tenant["state"], tenant["desired"]["release"], tenant["in_sync"]) == ("active", old, True)
        assert databases.data[tenants[slug]]["rows"] == {"patients": slug}
    pairs = (await client.get("/v1/known-bad-pairs")).json()["items"]
    assert {pair["tenant"] for pair in pairs} == {None, *(str(tenants[slug]) for slug in broken)}


async def test_a_canary_that_attests_an_older_generation_does_not_count(fleet, campaign, go_on, until, shown, members, newer, deployer):
    tenants = await fleet(8)
    begun = await campaign(canary=1, stuck_minutes=20, approve_after_canary=False)
    [canary] = await members(begun, wave=0)
    deployer.rules = [Rule(frozenset({tenants[canary]}), newer, stale=True)]
    await go_on(4)
    waiting = await members(begun)
    halted = await until(begun, "halted", seconds=300)

    assert [slug for slug, member in waiting.items() if member["state"] != "pending"] == [canary]
    assert waiting[canary]["state"] == "running"
    assert "revision 1 goes on serving" in waiting[canary]["reason"]
    assert halted["reason"] == "Canary: One member did not end within 20 minutes."
    assert halted["members"] == {"failed": 1, "pending": 7}


async def test_an_operation_that_says_it_is_done_does_not_count_without_the_runtimes_word(
    fleet, campaign, go_on, members, platform, worker, clock
):
    """As where the observation kept is older than the work: nobody but the runtime can make a member done."""
    await fleet(1)
    begun = await campaign()
    await go_on(0)
    await worker.drain()
    async with platform.database.transaction() as session:
        await session.execute(text("UPDATE observation SET generation = 1, attestation = attestation || '{\"generation\": 1}'"))
    clock.advance(seconds=3)
    await go_on(0)
    from_before = (await members(begun))["clinic-0"]

    assert from_before["state"] == "running"
    assert "Waiting for the runtime to prove revision 2; revision 1 goes on serving" in from_before["reason"]


async def test_after_the_canary_a_person_approves(fleet, campaign, go_on, until, shown, client, platform):
    await fleet(6)
    begun = await campaign(canary=1, canary_soak_minutes=60)
    await go_on(4)
    soaking = await shown(begun)
    await go_on(2, seconds=HOUR)
    waiting = await shown(begun)
    await go_on(2, seconds=600)
    approved = await client.post(f"/v1/campaigns/{begun['id']}/waves/1/approve")
    again = await client.post(f"/v1/campaigns/{begun['id']}/waves/1/approve")

    assert [wave["state"] for wave in soaking["waves"]] == ["soaking", "pending"]
    assert [wave["state"] for wave in waiting["waves"]] == ["done", "awaiting_approval"]
    assert waiting["members"] == {"done": 1, "pending": 5}
    assert (approved.status_code, again.json()["code"]) == (202, "wave_not_waiting")
    assert approved.json()["waves"][1]["approved_by"].startswith("operator:")
    assert (await until(begun, "completed"))["members"] == {"done": 6}
    mails = (await client.get("/v1/mails")).json()["items"]
    assert [mail["subject"] for mail in mails][::-1] == ["Campaign To 1.1: wave 1 awaits your approval", "Campaign To 1.1 is over"]


async def test_a_patient_in_treatment_is_not_disturbed(fleet, campaign, go_on, until, members, deployer, clock):
    tenants = await fleet(2)
    until_when = clock.now().replace(hour=2)
    deployer.places[tenants["clinic-1"]].busy_until = until_when
    begun = await campaign()
    await go_on(3)
    waiting = await members(begun)
    await until(begun, "completed", seconds=300)

    assert {slug: member["state"] for slug, member in waiting.items()} == {"clinic-0": "done", "clinic-1": "waiting"}
    assert waiting["clinic-1"]["code"] == "in_use"
    assert "A patient is in treatment or due; the next idle time is 03:00 on 22 November" in waiting["clinic-1"]["reason"]
    assert (await members(begun))["clinic-1"]["started_at"] >= until_when.isoformat().replace("+00:00", "Z")


async def test_outside_its_window_a_clinic_waits_for_the_night(fleet, campaign, go_on, until, members, deployer, clock, client):
    tenants = await fleet(2)
    await client.put("/v1/tenants/clinic-1/maintenance-window", json={"start": "13:00", "end": "15:00"})
    clock.advance(hours=10)
    begun = await campaign()
    calls = deployer.calls
    await go_on(0)
    waiting = await members(begun)
    asked = deployer.calls - calls
    await go_on(2, seconds=30 * 60)

    assert {slug: member["code"] for slug, member in waiting.items()} == {"clinic-0": "outside_window", "clinic-1": "outside_window"}
    assert asked == 0, "who is outside the window is not even asked"
    assert {slug: member["state"] for slug, member in (await members(begun)).items()} == {"clinic-0": "waiting", "clinic-1": "running"}
    assert deployer.places[tenants["clinic-0"]].applied == [1]
    assert (await until(begun, "completed", seconds=HOUR))["members"] == {"done": 2}


async def test_one_that_never_has_a_good_time_is_left_out_and_reported(fleet, campaign, until, members, deployer, clock):
    tenants = await fleet(2)
    deployer.places[tenants["clinic-1"]].busy_until = clock.now().replace(year=2027)
    begun = await campaign(patience_hours=24)
    over = await until(begun, "completed", seconds=2 * HOUR)

    assert over["members"] == {"done": 1, "skipped": 1}
    left_out = (await members(begun))["clinic-1"]
    assert left_out["code"] == "no_good_time"
    assert left_out["reason"].startswith("No good time within 24 hours. Last: ")


async def test_a_runtime_that_does_not_answer_is_asked_again(fleet, campaign, go_on, until, members, deployer):
    tenants = await fleet(2)
    deployer.rules = [Rule(frozenset({tenants["clinic-1"]}), away="the supervisor does not answer")]
    begun = await campaign()
    await go_on(3)
    waiting = (await members(begun))["clinic-1"]
    deployer.rules = []
    over = await until(begun, "completed", seconds=120)

    assert (waiting["state"], waiting["code"]) == ("waiting", "unreachable")
    assert over["members"] == {"done": 2}


async def test_a_sleeping_runtime_is_woken_for_the_question(fleet, campaign, until, deployer):
    tenants = await fleet(1)
    deployer.places[tenants["clinic-0"]].idle = True
    begun = await campaign()
    assert (await until(begun, "completed"))["members"] == {"done": 1}


async def test_paused_nothing_new_begins_and_what_is_under_way_ends(fleet, campaign, go_on, until, shown, members, client):
    await fleet(6)
    begun = await campaign(parallel=2)
    await go_on(0)
    paused = await client.post(f"/v1/campaigns/{begun['id']}/pause", json={"why": "a look first"})
    await go_on(4)
    rested = await shown(begun)
    await client.post(f"/v1/campaigns/{begun['id']}/resume", json={"why": "all well"})
    over = await until(begun, "completed")

    assert (paused.json()["state"], paused.json()["reason"]) == ("paused", "a look first")
    assert rested["members"] == {"done": 2, "pending": 4}
    assert over["members"] == {"done": 6}


async def test_aborted_the_rest_is_left_alone(fleet, campaign, go_on, until, client, deployer):
    tenants = await fleet(6)
    begun = await campaign(parallel=2)
    await go_on(0)
    aborting = await client.post(f"/v1/campaigns/{begun['id']}/abort", json={"why": "not this week"})
    over = await until(begun, "aborted")
    again = await client.post(f"/v1/campaigns/{begun['id']}/resume", json={"why": "after all"})

    assert aborting.json()["state"] == "aborting"
    assert over["members"] == {"done": 2, "cancelled": 4}
    assert sum(deployer.places[tenant].applied == [1] for tenant in tenants.values()) == 4
    assert (again.status_code, again.json()["code"]) == (409, "illegal_transition")


async def test_after_a_halt_it_goes_on_only_when_asked(fleet, campaign, go_on, until, shown, members, client, newer, deployer):
    tenants = await fleet(10)
    begun = await campaign(parallel=2, halt_rate=0, halt_least=1)
    first = list(await members(begun))[:2]
    deployer.rules = [Rule(frozenset(tenants[slug] for slug in first), newer, fails="disk full")]
    halted = await until(begun, "halted", seconds=600)
    await go_on(3, seconds=HOUR)
    still = await shown(begun)
    await client.post(f"/v1/campaigns/{begun['id']}/resume", json={"why": "disks were enlarged"})
    deployer.rules = []
    await go_on(2)
    retried = [(await client.post(f"/v1/campaigns/{begun['id']}/members/{slug}/retry")).status_code for slug in first]
    over = await until(begun, "completed", seconds=HOUR)

    assert halted["members"]["failed"] >= 1
    assert (still["state"], still["members"]) == ("halted", {"failed": 2, "pending": 8})
    assert retried == [202, 202]
    assert over["members"] == {"done": 10}


async def test_what_failed_for_a_tenant_is_not_tried_on_it_by_another_campaign(fleet, campaign, until, client, newer, deployer):
    tenants = await fleet(3)
    deployer.rules = [Rule(frozenset({tenants["clinic-1"]}), newer, fails="disk full")]
    begun = await campaign(halt_rate=1)
    await until(begun, "completed", seconds=600)
    plan = await client.post("/v1/campaigns/plan", json={"name": "Again", "release": newer})
    refused = await client.post("/v1/campaigns", json={"name": "Again", "release": newer})

    out = {member["tenant"]: member["out"] for member in plan.json()["members"]}
    assert out["clinic-1"].startswith("It failed there before: It is back on its old release, with its data: ")
    assert plan.json()["left_out"] == {"there_already": 2, "known_bad": 1}
    assert (refused.status_code, refused.json()["code"]) == (422, "nobody_to_move")


async def test_a_way_known_to_break_is_gone_by_nobody(fleet, client, newer, members, deployer):
    tenants = await fleet(2)
    old = deployer.places[tenants["clinic-0"]].serving.release_id
    pair = await client.post("/v1/known-bad-pairs", json={"from_release": old, "to_release": newer, "reason": "loses invoices"})
    again = await client.post("/v1/known-bad-pairs", json={"from_release": old, "to_release": newer, "reason": "loses invoices"})
    refused = await client.post("/v1/campaigns/plan", json={"name": "x", "release": newer})
    lifted = await client.delete(f"/v1/known-bad-pairs/{pair.json()['id']}")
    twice = await client.delete(f"/v1/known-bad-pairs/{pair.json()['id']}")
    allowed = await client.post("/v1/campaigns/plan", json={"name": "x", "release": newer})

    assert pair.json()["id"] == again.json()["id"]
    assert refused.json()["left_out"] == {"known_bad": 2}
    assert (lifted.status_code, twice.json()["code"]) == (204, "unknown_pair")
    assert allowed.json()["left_out"] == {}


async def test_the_plan_is_frozen(fleet, platform, deployer, campaign, until, shown, members):
    await fleet(3)
    begun = await campaign()
    await populate(platform, deployer, 2, prefix="late")
    over = await until(begun, "completed")

    assert over["members"] == {"done": 3}
    assert not {slug for slug in await members(begun) if slug.startswith("late")}


async def test_a_persons_own_change_goes_first(fleet, campaign, go_on, until, members, client, worker, deployer):
    await fleet(2)
    begun = await campaign()
    changed = await client.put("/v1/tenants/clinic-0/modules", json={"modules": ["billing"]})
    await go_on(0)
    waiting = (await members(begun))["clinic-0"]
    over = await until(begun, "completed", seconds=60)

    assert changed.status_code == 202
    assert (waiting["state"], waiting["code"]) == ("waiting", "busy")
    assert over["members"] == {"done": 2}
    tenant = (await client.get("/v1/tenants/clinic-0")).json()
    assert tenant["chosen"] == ["billing"]


async def test_what_planning_refuses_is_left_out_and_nothing_is_done_to_it(
    fleet, campaign, go_on, until, members, client, platform, deployer
):
    tenants = await fleet(2)
    begun = await campaign()
    async with platform.database.transaction() as session:
        await session.execute(text("UPDATE tenant SET chosen = '[\"vanished\"]' WHERE slug = 'clinic-0'"))
    over = await until(begun, "completed")

    assert over["members"] == {"done": 1, "skipped": 1}
    assert (await members(begun))["clinic-0"]["code"] == "release_unfit"
    assert deployer.places[tenants["clinic-0"]].applied == [1]


async def test_a_replan_restarts_only_those_for_whom_something_changes(fleet, client, until, members, platform, deployer):
    tenants = await fleet(3)
    async with platform.database.transaction() as session:
        await session.execute(text("UPDATE tenant SET chosen = '[\"agenda\", \"billing\"]' WHERE slug = 'clinic-2'"))
    strategy = {"canary": 0, "waves": [], "parallel": 10}
    made = await client.post("/v1/campaigns", json={"name": "Law", "change": "replan", "strategy": strategy})
    await client.post(f"/v1/campaigns/{made.json()['id']}/start")
    over = await until(made.json(), "completed")

    assert over["members"] == {"done": 3}
    assert {slug: member["code"] for slug, member in (await members(over)).items()} == {
        "clinic-0": "unchanged",
        "clinic-1": "unchanged",
        "clinic-2": None,
    }
    assert {slug: deployer.places[tenant].applied for slug, tenant in tenants.items()} == {
        "clinic-0": [1],
        "clinic-1": [1],
        "clinic-2": [1, 2],
    }


async def test_two_processes_drive_it_together(fleet, campaign, until, tools, worker, members, clock):
    await fleet(6)
    begun = await campaign(parallel=3)
    await asyncio.gather(drive_campaigns(tools), drive_campaigns(tools), drive_campaigns(tools))

    found = await members(begun)
    assert sorted(member["state"] for member in found.values()) == ["pending"] * 3 + ["running"] * 3
    assert len({member["operation"] for member in found.values()}) == 4
    assert (await until(begun, "completed"))["members"] == {"done": 6}


async def test_a_key_makes_it_once(fleet, platform, newer):
    await fleet(1)
    made = []
    for _ in range(2):
        async with platform.database.transaction() as session:
            made.append(await service.create(session, platform, NewCampaign(name="x", release=newer), actor=WORKER, key="pack:es:2"))
    assert made[0].id == made[1].id


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "x"}, "invalid_request"),
        ({"name": "x", "change": "replan", "release": "sha256:x"}, "invalid_request"),
        ({"name": "x", "release": "sha256:unknown"}, "release_unknown"),
        ({"name": "x", "change": "replan", "tenants": {"slugs": ["nobody"]}}, "unknown_tenants"),
    ],
)
async def test_what_cannot_be_meant_is_refused(client, body, code):
    answer = await client.post("/v1/campaigns", json=body)
    assert answer.json()["code"] == code, answer.text


async def test_a_patient_who_comes_while_the_backup_is_made_is_not_disturbed(fleet, deployer, campaign, members, until, go_on, clock):
    """It was at rest when it was begun, and is not when its release would be deployed: nothing happens, and it counts as no failure."""
    tenants = await fleet(1)
    place, asked, request = deployer.places[tenants["clinic-0"]], [], deployer.request

    async def noticed(tenant_id, method, path, **given):
        if "/idle-slots" in path:
            asked.append(path)
            if len(asked) == 2:
                place.busy_until = clock.now() + timedelta(minutes=20)
        return await request(tenant_id, method, path, **given)

    deployer.request = noticed
    begun = await campaign()
    for _ in range(8):
        await go_on()
    waits = (await members(begun))["clinic-0"]

    assert (waits["state"], waits["code"]) == ("waiting", "in_use")
    assert place.applied == [1]
    clock.advance(minutes=40)
    done = await until(begun, "completed")
    assert done["reason"] is None
    assert place.revision["generation"] == 2
