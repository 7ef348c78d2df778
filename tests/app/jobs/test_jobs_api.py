"""`/api/v1/jobs`: what runs by itself can be seen, run now and paused, by those who may."""

from datetime import timedelta

import pytest

from app.core import clock
from app.core.jobs import ScheduledJob, schedule
from app.core.jobs.runner import JobRunner
from app.core.plugins.registry import ModuleRegistry
from tests.support.app import ShelfModule, build, clinic_app, request_database

__all__ = ["clinic_app", "request_database"]

JOBS = "/api/v1/jobs"
ran = []


async def tidy(clinic_id):
    ran.append(clinic_id)


class BusyShelf(ShelfModule):
    def get_scheduled_jobs(self) -> list[ScheduledJob]:
        return [
            ScheduledJob("tidy", tidy, "cron", "Tidy the shelf", {"hour": 3}),
            ScheduledJob("count", tidy, "interval", trigger_args={"days": 1}, scope="tenant"),
        ]


@pytest.fixture
async def app(clinic_app):
    """Ana administers Sol, Berta, the owner, Luna."""
    ran.clear()
    app = build(clinic_app.schema, clinic_app.database, [BusyShelf()])
    sol, luna = await app.add_clinic("Sol"), await app.add_clinic("Luna")
    await app.add_user("ana@example.com", admin=sol)
    await app.add_user("berta@example.com", admin=luna, owner=True)
    await app.add_user("dora@example.com", dentist=sol)
    await JobRunner(app.database, registry(app)).sync()
    return app


def registry(app) -> ModuleRegistry:
    return app.app.state.registry


async def clinic_of(app, name: str):
    return await app.sql("SELECT id FROM clinics WHERE name = $1", name)


async def test_the_list_holds_the_jobs_of_the_clinic_and_of_the_tenant(app):
    async with await app.signed_in() as client:
        found = (await client.get(JOBS)).json()["data"]

    assert [(each["job"], each["clinic_id"]) for each in found] == [("count", None), ("tidy", str(await clinic_of(app, "Sol")))]
    assert (found[1]["name"], found[1]["trigger"], found[1]["last_status"]) == ("Tidy the shelf", "cron: hour=3", None)


async def test_a_job_run_now_runs_in_the_clinic_of_the_request_and_its_run_can_be_seen(app):
    async with await app.signed_in() as client:
        answer = await client.post(f"{JOBS}/shelf/tidy/run")
        assert await JobRunner(app.database, registry(app)).run_due() == 1
        runs = (await client.get(f"{JOBS}/shelf/tidy/runs")).json()["data"]
        after = (await client.get(JOBS)).json()["data"][1]

    assert answer.status_code == 202
    assert ran == [await clinic_of(app, "Sol")]
    assert [(run["status"], run["attempt"]) for run in runs] == [("done", 1)]
    assert runs[0]["requested_by"] == str(await app.sql("SELECT id FROM users WHERE email = 'ana@example.com'"))
    assert (after["last_status"], after["failures"]) == ("done", 0)


async def test_a_paused_job_does_not_run_until_it_is_resumed(app):
    runner = JobRunner(app.database, registry(app))
    async with await app.signed_in() as client:
        paused = await client.post(f"{JOBS}/shelf/tidy/pause")
        await client.post(f"{JOBS}/shelf/tidy/run")
        assert await runner.run_due() == 0
        await client.post(f"{JOBS}/shelf/tidy/resume")

    assert paused.json()["data"][0]["paused"] is True
    assert await runner.run_due() == 1


async def test_what_runs_for_the_whole_tenant_only_its_owner_runs(app):
    async with await app.signed_in() as client:
        refused = await client.post(f"{JOBS}/shelf/count/run")
    async with await app.signed_in("berta@example.com") as client:
        allowed = await client.post(f"{JOBS}/shelf/count/run")

    assert (refused.status_code, allowed.status_code) == (403, 202)
    assert refused.json()["errors"][0]["code"] == "job_of_the_tenant"


async def test_a_running_job_is_not_asked_to_run_once_more(app):
    runner = JobRunner(app.database, registry(app))
    async with await app.signed_in() as client:
        await client.post(f"{JOBS}/shelf/tidy/run")
        async with app.database.unit() as elsewhere:
            assert await schedule.claim(elsewhere.session, [("shelf", "tidy")], clock.now() + timedelta(seconds=1)) is not None
            answer = await client.post(f"{JOBS}/shelf/tidy/run")

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "job_running")
    assert await runner.run_due() == 1


@pytest.mark.parametrize(("method", "path"), [("GET", "/shelf/sweep/runs"), ("POST", "/shelf/sweep/run"), ("POST", "/attic/tidy/pause")])
async def test_a_job_there_is_not_is_404(app, method, path):
    async with await app.signed_in() as client:
        answer = await client.request(method, JOBS + path)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "job_unknown")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("GET", "/shelf/tidy/runs"), ("POST", "/shelf/tidy/run"), ("POST", "/shelf/tidy/pause")]
)
async def test_only_for_those_who_may(app, method, path):
    async with await app.signed_in("dora@example.com") as client:
        answer = await client.request(method, JOBS + path)

    assert answer.status_code == 403
