"""What time brings about: backups that come by themselves, that go, and that are restored at night to see whether they can be."""

from uuid import UUID

from sqlalchemy import update

from control_plane.backups.models import Backup
from control_plane.backups.passes import begin_due, check_one, sample_size, tidy


async def listed(client, slug="sol"):
    return (await client.get(f"/v1/tenants/{slug}/backups")).json()["items"]


async def checks(client):
    answer = await client.get("/v1/backup-checks")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def move(platform, **values):
    async with platform.database.transaction() as session:
        await session.execute(update(Backup).values(**values))


async def test_each_night_a_backup_comes_by_itself_and_the_scheme_lets_old_ones_go(client, clinic, worker, tools, clock, platform):
    await begin_due(tools)
    await worker.drain()
    assert await listed(client) == []

    for _ in range(5):
        clock.advance(hours=24)
        await begin_due(tools)
        await begin_due(tools)
        await worker.drain()

    made = await listed(client)
    assert [(one["state"], one["cause"]) for one in made] == [("ready", "scheduled")] * 5
    following = (await client.get("/v1/tenants/sol/backup-schedule")).json()
    assert following["every_hours"] == 24
    assert following["next"] > clock.now().isoformat()
    clock.advance(days=100)
    await tidy(tools)
    await tidy(tools)
    states = [one["state"] for one in await listed(client)]
    # The last of the month is kept; the days before it are not, now that there are none to follow.
    assert states[0] == "ready"
    left = [one["id"] for one in await listed(client) if one["state"] == "ready"]
    stored = {one.key.split("/")[2] for one in await platform.objects.list(f"backups/{clinic['id']}/")}
    assert stored == set(left)


async def test_a_backup_that_could_not_be_made_leaves_nothing_and_is_tried_again(client, clinic, worker, tools, clock, platform, deployer):
    await begin_due(tools)
    clock.advance(hours=24)
    good = deployer.files

    async def breaks(tenant_id):
        yield b"half"
        raise RuntimeError("the disk is gone")

    deployer.files = breaks
    await begin_due(tools)
    for _ in range(12):
        await worker.drain()
        clock.advance(minutes=20)
    await worker.drain()
    await tidy(tools)
    assert [one["state"] for one in await listed(client)] == ["failed"]
    assert "the disk is gone" in (await listed(client))[0]["reason"]
    assert await platform.objects.list(f"backups/{clinic['id']}/") == []

    deployer.files = good
    await begin_due(tools)
    await worker.drain()

    assert (await listed(client))[0]["state"] == "ready"


async def test_at_night_a_sample_is_restored_compared_and_dropped_again(client, clinic, backed_up, tools, clock, sql):
    backup = await backed_up()
    await check_one(tools)
    assert await checks(client) == []

    clock.move_to("2026-11-23")
    clock.advance(hours=2 - clock.now().hour)
    await check_one(tools)
    await check_one(tools)

    (one,) = await checks(client)
    assert (one["backup"], one["tenant"], one["passed"], one["tables"], one["rows"]) == (backup["id"], "sol", True, 2, 51)
    assert (await listed(client))[0]["check_passed"] is True
    assert await sql(clinic, "SELECT count(*) FROM pg_database WHERE datname LIKE '%\\_check'") == 0


async def test_a_backup_that_no_longer_restores_is_found_and_raises_an_alarm(client, clinic, backed_up, tools, clock, platform):
    backup = await backed_up()
    await platform.objects.delete(f"backups/{clinic['id']}/{backup['id']}/database")
    clock.move_to("2026-11-23")
    clock.advance(hours=2 - clock.now().hour)

    await check_one(tools)

    (one,) = (await client.get("/v1/backup-checks", params={"passed": False})).json()["items"]
    assert "holds nothing under" in one["reason"]
    scraped = (await client.get("/metrics")).text
    assert "dentalpin_platform_backups_not_restorable 1" in scraped


async def test_a_dump_of_other_rows_is_not_taken_for_the_backup(client, clinic, backed_up, tools, clock, platform):
    backup = await backed_up()
    async with platform.database.transaction() as session:
        row = await session.get_one(Backup, UUID(backup["id"]))
        tables = {**row.contents["tables"], "public.patient": [49, "1:2"]}
        row.contents = {**row.contents, "tables": tables}
    clock.move_to("2026-11-23")
    clock.advance(hours=2 - clock.now().hour)

    await check_one(tools)

    assert "table public.patient has 50 rows instead of 49" in (await checks(client))[0]["reason"]


async def test_the_age_of_the_oldest_newest_backup_is_a_metric(client, clinic, backed_up, clock):
    await backed_up()
    clock.advance(hours=30)

    scraped = (await client.get("/metrics")).text

    line = next(line for line in scraped.splitlines() if line.startswith("dentalpin_platform_backup_oldest_seconds "))
    assert abs(float(line.split()[1]) - 30 * 3600) < 60


def test_the_sample_grows_with_the_fleet():
    assert [sample_size(tenants, 3) for tenants in (0, 10, 300, 301, 10_000)] == [3, 3, 3, 4, 100]
