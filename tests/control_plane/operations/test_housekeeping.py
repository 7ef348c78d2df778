from pathlib import Path

from control_plane.operations.housekeeping import keep_house


async def test_a_final_dump_is_kept_until_its_day_and_not_longer(provisioned, client, worker, platform, clock, shown):
    await provisioned()
    await client.delete("/v1/tenants/sol")
    await worker.drain()
    dump = Path((await shown())["final_dump"]["path"])

    clock.move_to("2027-02-19")
    await keep_house(platform)
    kept = dump.exists()
    clock.move_to("2027-02-20")
    await keep_house(platform)

    assert (kept, dump.exists()) == (True, False)
    assert (await shown())["final_dump"] is None
    assert (await client.get("/v1/tenants/sol/audit")).json()["items"][0]["action"] == "tenant.final_dump_deleted"
