"""What a rung refuses and what goes on, and more time for those who asked for it."""

from datetime import timedelta


async def choose(sol, *modules):
    return await sol.client.put("/v1/tenants/sol/modules", json={"modules": list(modules)})


async def extend(sol, days, reason="bank transfer on its way"):
    until = (sol.clock.now() + timedelta(days=days)).isoformat()
    return await sol.client.put("/v1/tenants/sol/standing/extension", json={"until": until, "reason": reason})


async def test_no_module_is_added_with_the_reason_and_the_way_out_but_one_can_go(sol):
    await sol.owes()
    await sol.look()
    await sol.days_pass(14)

    refused = await choose(sol, "agenda", "inventory")

    assert (refused.status_code, refused.json()["code"]) == (409, "modules_wait_for_payment")
    planned = await sol.client.post("/v1/tenants/sol/plan", json={"modules": ["agenda", "inventory"]})
    assert planned.json()["code"] == "modules_wait_for_payment"
    assert "inventory" in refused.json()["detail"]
    assert "overdue" in refused.json()["detail"]
    assert refused.json()["pay_at"] == "http://platform.example/account"
    assert (await choose(sol)).status_code == 202

    await sol.worker.drain()
    await sol.pays()
    await sol.look()
    assert (await choose(sol, "agenda", "inventory")).status_code == 202


async def test_a_read_only_clinic_keeps_its_modules(sol):
    await sol.owes()
    await sol.look()
    await sol.days_pass(30)

    refused = await choose(sol)

    assert (refused.status_code, refused.json()["code"]) == (409, "modules_wait_for_payment")


async def test_what_the_law_adds_is_added_whoever_owes_whom(sol):
    await sol.owes()
    await sol.look()
    await sol.days_pass(30)

    stated = await sol.client.post("/v1/tenants/sol/facts", json={"facts": {"tax_id": "B58378431"}})
    assert stated.status_code in (200, 202), stated.text
    sol.clock.move_to("2027-01-02")
    await sol.worker.run_passes("law_dates")
    await sol.worker.drain()

    assert {"verifactu", "agenda"} <= {module["name"] for module in sol.told()["modules"]}
    assert sol.told()["mode"] == "read_only"


async def test_an_extension_holds_the_next_rung_back_until_its_day(sol):
    await sol.owes()
    await sol.look()
    await sol.days_pass(10)

    answer = await extend(sol, 30)

    assert answer.status_code == 200, answer.text
    assert answer.json()["extended_because"] == "bank transfer on its way"
    assert (await sol.subjects())[-1] == "payment_extended"
    await sol.days_pass(29)
    assert (await sol.standing())["state"] == "banner"
    await sol.days_pass(1)
    assert (await sol.standing())["state"] == "no_new_modules"
    trail = (await sol.client.get("/v1/tenants/sol/audit", params={"action": "standing.extended"})).json()["items"]
    assert trail[0]["details"]["reason"] == "bank transfer on its way"


async def test_an_extension_that_is_ended_takes_nothing_unannounced(sol):
    await sol.owes()
    await sol.look()
    await extend(sol, 60)
    sol.clock.advance(days=40)

    ended = await sol.client.delete("/v1/tenants/sol/standing/extension")

    assert (ended.status_code, ended.json()["state"], ended.json()["announced"]) == (200, "banner", "no_new_modules")
    await sol.days_pass(7)
    assert (await sol.standing())["state"] == "no_new_modules"


async def test_an_extension_needs_something_to_extend_and_a_day_to_come(sol):
    nothing = await extend(sol, 10)
    assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_to_extend")
    await sol.owes()
    await sol.look()
    for days in (-1, 91):
        past = await extend(sol, days)
        assert (past.status_code, past.json()["code"]) == (422, "extension_in_past")


async def test_operators_see_who_stands_where(sol):
    assert (await sol.client.get("/v1/standings")).json()["items"] == []
    await sol.owes()
    await sol.look()

    (found,) = (await sol.client.get("/v1/standings", params={"state": "banner"})).json()["items"]

    assert (found["slug"], found["state"], found["why"]) == ("sol", "banner", "unpaid")
    assert (await sol.client.get("/v1/standings", params={"state": "archived"})).json()["items"] == []
