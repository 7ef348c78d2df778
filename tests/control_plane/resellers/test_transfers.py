"""A clinic changes hands with everybody's consent, and not otherwise."""

import pytest

from tests.control_plane.resellers.conftest import make_reseller, revoke


async def asked(client, luna, south, **body):
    answer = await client.post("/v1/tenants/luna/transfers", json={"to": south.id, **body}, headers=luna)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def customers(reseller):
    return [one["slug"] for one in (await reseller.ask("GET", "/tenants")).json()["items"]]


async def test_it_is_done_when_the_last_of_three_agreed_and_access_goes_with_it(client, north, south, luna):
    transfer = await asked(client, luna, south)
    taking = await south.ask("POST", f"/transfers/{transfer['id']}/accept", json={})
    half = (await customers(north), await customers(south))
    giving = await north.ask("POST", f"/transfers/{transfer['id']}/accept", json={})

    assert [one["party"] for one in transfer["consents"] if one["agreed_at"]] == ["clinic"]
    assert (taking.json()["state"], half) == ("requested", (["luna"], []))
    assert (giving.json()["state"], await customers(north), await customers(south)) == ("done", [], ["luna"])
    reached = [(await client.get("/v1/tenants/luna", headers=one.headers["admin"])).status_code for one in (north, south)]
    assert reached == [404, 200]
    again = await south.ask("POST", f"/transfers/{transfer['id']}/accept", json={})
    assert again.json()["code"] == "transfer_over"


@pytest.mark.parametrize("door", ["clinic", "giving", "taking"])
async def test_anybody_concerned_may_decline_and_nothing_changes(client, north, south, luna, door):
    transfer = (await client.post("/v1/tenants/luna/transfers", json={"to": south.id})).json()
    path = f"/transfers/{transfer['id']}/decline"
    answer = {
        "clinic": lambda: client.post(f"/v1/tenants/luna{path}", json={"note": "not now"}, headers=luna),
        "giving": lambda: north.ask("POST", path, json={"note": "not now"}),
        "taking": lambda: south.ask("POST", path, json={"note": "not now"}),
    }
    declined = (await answer[door]()).json()
    assert (declined["state"], declined["reason"].endswith("declined: not now")) == ("declined", True)
    assert (await customers(north), await customers(south)) == (["luna"], [])


async def test_a_reseller_hands_over_a_clinic_that_ended_its_access_and_takes_it_back(client, north, south, luna):
    await revoke(client, north, "luna", luna)
    handed = await north.ask("POST", "/transfers", json={"tenant": "luna", "to": None})
    foreign = await south.ask("POST", "/transfers", json={"tenant": "luna", "to": south.id})
    nothing = await south.ask("POST", "/transfers", json={"tenant": "nowhere", "to": south.id})
    withdrawn = await north.ask("DELETE", f"/transfers/{handed.json()['id']}")

    assert (handed.status_code, [one["party"] for one in handed.json()["consents"]]) == (201, ["clinic", "giving"])
    assert {foreign.json()["code"], nothing.json()["code"]} == {"tenant_not_resellers"}
    assert withdrawn.json()["state"] == "withdrawn"


async def test_only_one_is_open_and_who_did_not_ask_cannot_take_it_back(client, north, south, luna):
    transfer = await asked(client, luna, south)
    second = await north.ask("POST", "/transfers", json={"tenant": "luna", "to": None})
    taken_back = await north.ask("DELETE", f"/transfers/{transfer['id']}")
    assert (second.json()["code"], taken_back.json()["code"]) == ("transfer_open", "transfer_party_unknown")


async def test_a_clinic_becomes_a_direct_customer(client, north, luna):
    transfer = (await client.post("/v1/tenants/luna/transfers", json={"to": None}, headers=luna)).json()
    done = await north.ask("POST", f"/transfers/{transfer['id']}/accept", json={})
    here = await client.post("/v1/tenants/luna/transfers", json={"to": None}, headers=luna)
    assert (done.json()["state"], await customers(north), here.json()["code"]) == ("done", [], "transfer_to_itself")


async def test_what_nobody_answers_in_time_changes_nothing_and_does_not_stay_open(client, platform, clock, north, south, luna):
    from control_plane.operations.steps.base import Tools
    from control_plane.resellers.transfers import expire_due

    transfer = await asked(client, luna, south)
    clock.advance(days=14)
    late = await south.ask("POST", f"/transfers/{transfer['id']}/accept", json={})
    await expire_due(Tools(platform, platform.servers.own))

    (listed,) = (await client.get("/v1/tenants/luna/transfers", headers=luna)).json()["items"]
    assert (late.json()["code"], listed["state"], listed["closed_at"] is not None) == ("transfer_over", "expired", True)
    assert await customers(north) == ["luna"]


async def test_an_operator_answers_for_a_party_that_cannot_and_says_why(client, north, south, luna):
    transfer = await asked(client, luna, south)
    path = f"/v1/tenants/luna/transfers/{transfer['id']}/accept"
    nobody = await client.post(path, json={})
    for party in ("giving", "taking"):
        done = await client.post(path, json={"party": party, "note": "North has closed"})
    audit = (await client.get("/v1/tenants/luna/audit", params={"action": "tenant.transfer_agreed"})).json()["items"]

    assert (nobody.json()["code"], done.json()["state"]) == ("transfer_party_unknown", "done")
    assert {one["details"]["note"] for one in audit} == {"North has closed"}


async def test_the_reseller_that_takes_it_is_held_to_its_ceiling(client, platform, north, luna):
    small = await make_reseller(client, platform, "Small", max_tenants=0)
    transfer = (await client.post("/v1/tenants/luna/transfers", json={"to": small.id}, headers=luna)).json()
    await north.ask("POST", f"/transfers/{transfer['id']}/accept", json={})
    refused = await small.ask("POST", f"/transfers/{transfer['id']}/accept", json={})
    assert refused.json()["code"] == "reseller_tenants_exceeded"
    assert await customers(north) == ["luna"]


async def test_everybody_who_has_not_agreed_yet_is_told(client, north, south, luna):
    await asked(client, luna, south)
    mails = (await client.get("/v1/mails")).json()["items"]
    told = {one["to"]: one["subject"] for one in mails if one["template"] == "transfer_asked"}
    assert set(told) == {"admin@north.example", "admin@south.example"}
    assert told["admin@north.example"].startswith("luna pasaría de North a South")
