from sqlalchemy import func, select

from control_plane.idempotency.models import IdempotentAnswer


async def test_an_answer_kept_for_a_repeated_request_goes_after_a_day(client, worker, clock, platform):
    async def kept():
        async with platform.database.transaction() as session:
            return await session.scalar(select(func.count()).select_from(IdempotentAnswer))

    await client.post("/v1/keys", json={"name": "ana"}, headers={"Idempotency-Key": "one"})
    clock.advance(hours=23)
    await worker.run_passes("housekeeping")
    before = await kept()
    clock.advance(hours=2)
    await worker.run_passes("housekeeping")

    assert (before, await kept()) == (1, 0)
