from pathlib import Path


async def test_a_final_dump_is_kept_until_its_day_and_not_longer(provisioned, client, worker, clock, shown):
    await provisioned()
    await client.delete("/v1/tenants/sol")
    await worker.drain()
    dump = Path((await shown())["final_dump"]["path"])

    clock.move_to("2027-02-19")
    await worker.run_passes("housekeeping")
    kept = dump.exists()
    clock.move_to("2027-02-20")
    await worker.run_passes("housekeeping")

    assert (kept, dump.exists()) == (True, False)
    assert (await shown())["final_dump"] is None
    assert (await client.get("/v1/tenants/sol/audit")).json()["items"][0]["action"] == "tenant.final_dump_deleted"
