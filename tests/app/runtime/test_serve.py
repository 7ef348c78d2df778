"""`dentalpin serve` in real processes: boot, hand-over, removal, idle, loss of the locks, refusal. One tenant database per test."""

import asyncio
import json
import signal
import sys
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from dentalpin_kit.tokens import SigningKey
from tests.support.http_clients import LoopingClients, until
from tests.support.postgres import OWNER, fetch_value, run_sql
from tests.support.revisions import TENANT_ID
from tests.support.runtime_process import get_json, platform_token

PATIENTS, AGENDA = "patients", "agenda"


async def installed(runtime):
    connection = await asyncpg.connect(runtime.database.owner_url)
    rows = await connection.fetch("SELECT name FROM core_module WHERE state = 'installed' ORDER BY name")
    await connection.close()
    return [row["name"] for row in rows]


async def test_a_first_start_installs_what_the_revision_asks_for_and_proves_it(new_runtime, asked):
    new_runtime.revise(asked(PATIENTS, AGENDA, generation=7))

    process = await new_runtime.serve()
    attestation = await process.attestation()
    health = await process.get("/health/ready")

    assert attestation["as_asked"], attestation["not_as_asked"]
    assert (attestation["generation"], attestation["healthy"], attestation["owner_claimed"]) == (7, True, False)
    assert attestation["identity"] == asked(PATIENTS, AGENDA, generation=7)["digests"]["identity"]
    assert {module["name"] for module in attestation["modules"] if module["mounted"]} == {PATIENTS, AGENDA}
    assert attestation["release_id"].startswith("sha256:")
    assert attestation["pid"] == process.pid
    assert health == (200, {"status": "ready", "checks": {"locks": True, "database": True, "modules": True}})


async def test_a_serving_process_knows_nothing_of_the_owners_credentials(runtime):
    process = await runtime.serve()

    environment = Path(f"/proc/{process.pid}/environ").read_text()
    command_line = Path(f"/proc/{process.pid}/cmdline").read_text()

    assert "OWNER" not in environment
    assert OWNER not in environment + command_line
    assert runtime.database.app_url in environment
    assert OWNER.encode() not in written_memory(process.pid)


def written_memory(pid):
    """What the process has written into its memory: heap and stacks, not the files it maps."""
    found = b""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, permissions, *_ = line.split()
            if permissions.startswith("rw") and "[v" not in line:
                start, end = (int(part, 16) for part in place.split("-"))
                memory.seek(start)
                # A region that was given back since the list was made cannot be read, and holds nothing any more.
                with suppress(OSError):
                    found += memory.read(end - start)
    return found


async def test_a_second_start_has_nothing_to_do(runtime):
    assert await (await runtime.serve()).drain() == 0

    process = await runtime.serve()

    assert process.steps == ["check"]


async def test_every_process_notices_that_a_module_is_switched_off_and_on_and_none_restarts(runtime):
    processes = [await runtime.serve(), await runtime.serve()]

    async def all_answer(status):
        async def they_do():
            return [(await process.get("/api/v1/agenda/appointments"))[0] for process in processes] == [status, status]

        await until(they_do)

    await runtime.command("modules", "disable", "agenda")
    await all_answer(409)
    assert (await processes[0].get("/health/ready"))[0] == 200
    assert (await processes[0].attestation())["as_asked"]
    late = await runtime.serve()
    assert (await late.get("/api/v1/agenda/appointments"))[0] == 409
    assert (await late.attestation())["healthy"]
    await runtime.command("modules", "enable", "agenda")
    await all_answer(401)

    assert not [event for process in processes for event in process.events if event["event"] == "restart_wanted"]


async def test_two_runtimes_that_boot_together_process_once_and_both_serve(new_runtime, asked):
    new_runtime.revise(asked(PATIENTS, AGENDA))

    first, second = await asyncio.gather(new_runtime.start(), new_runtime.start())
    await asyncio.gather(first.ready(), second.ready())

    for process in (first, second):
        attestation = await process.attestation()
        assert attestation["as_asked"]
        assert attestation["healthy"]
    connection = await asyncpg.connect(new_runtime.database.owner_url)
    migrations = await connection.fetch(
        "SELECT module_name, count(*) AS times FROM core_module_operation_log WHERE step = 'finalize' AND status = 'completed' GROUP BY 1"
    )
    await connection.close()
    assert {row["module_name"]: row["times"] for row in migrations} == {PATIENTS: 1, AGENDA: 1}


async def test_a_module_goes_and_comes_while_clients_see_no_failed_request(runtime, asked):
    serving = await runtime.serve()
    clients = LoopingClients(*runtime.address, path="/api/v1/patients", think=0.05)
    clients.start(8)
    for generation, modules, table in [(2, (PATIENTS,), None), (3, (PATIENTS, AGENDA), "appointments")]:
        await clients.answers(100)
        runtime.revise(asked(*modules, generation=generation))
        following = await runtime.serve(DENTALPIN_KEEP_OLD="1")
        assert await serving.drain() == 0
        serving = following
        await serving.attests(generation=generation, as_asked=True, healthy=True)
        assert fetch_value(runtime.database.owner_url, "SELECT to_regclass('appointments')::text") == table
    await clients.answers(100)
    await clients.stop()

    assert clients.failures == []
    assert clients.statuses.keys() == {401}


async def test_tables_stay_as_long_as_an_older_process_serves_them(runtime, asked):
    older = await runtime.serve()
    runtime.revise(asked(PATIENTS, generation=2))

    newer = await runtime.serve(DENTALPIN_KEEP_OLD="1")

    assert (await newer.get("/api/v1/agenda/appointments"))[0] == 404
    assert (await older.get("/api/v1/agenda/appointments"))[0] == 401
    assert (await newer.attestation())["not_as_asked"] == [{"name": AGENDA, "reason": "it is still to be removed"}]
    await older.drain()
    await newer.attests(as_asked=True)
    assert_no_zombies(newer.pid)


async def test_a_removal_that_is_refused_brings_the_module_back_by_another_process(runtime, asked):
    older = await runtime.serve()
    run_sql(runtime.database.owner_url, "CREATE TABLE wall_chart (cabinet_id uuid REFERENCES cabinets)")
    runtime.revise(asked(PATIENTS, generation=2))
    newer = await runtime.serve(DENTALPIN_KEEP_OLD="1")
    await older.drain()

    wanted = await newer.event("restart_wanted")
    following = await runtime.serve(DENTALPIN_KEEP_OLD="1")
    attestation = await following.attestation()

    assert AGENDA in wanted["reason"]
    assert (await following.get("/api/v1/agenda/appointments"))[0] == 401
    assert attestation["healthy"]
    assert [item["name"] for item in attestation["not_as_asked"]] == [AGENDA]
    assert "wall_chart" in attestation["not_as_asked"][0]["reason"]


async def test_a_restart_is_asked_for_by_the_cli_and_carried_out_by_the_supervisor(runtime):
    process = await runtime.serve()

    command = await runtime.command("modules", "restart", "--json")

    assert json.loads(command.stdout)["data"] == {"restarting": True}
    assert (await process.event("restart_wanted"))["reason"] == "a restart was asked for"
    assert (await process.get("/health/ready"))[0] == 200


async def test_a_stand_alone_runtime_does_what_was_scheduled_when_its_supervisor_starts_it_again(new_runtime, unused_port):
    alone = {"DENTALPIN_PORT": str(unused_port)}
    first = await new_runtime.start(supervised=False, status=False, **alone)
    await until(lambda: listens(unused_port))
    scheduled = await new_runtime.command("modules", "uninstall", AGENDA, "--json")

    await new_runtime.command("modules", "restart")
    status = await first.ended()
    second = await new_runtime.start(supervised=False, **alone)
    await second.ready()

    assert json.loads(scheduled.stdout)["data"]["requires_restart"] is True
    assert status == 75
    await until(lambda: installed_are(new_runtime, [PATIENTS]))
    assert (await get_json("127.0.0.1", unused_port, "/api/v1/agenda/appointments"))[0] == 404


async def listens(port):
    try:
        return (await get_json("127.0.0.1", port, "/health/ready"))[0] == 200
    except OSError:
        return False


async def installed_are(runtime, names):
    return await installed(runtime) == names


async def test_a_process_whose_supervisor_is_gone_does_not_start(runtime):
    process = await runtime.start(DENTALPIN_PARENT_PID="1")

    assert await process.ended() == 1


def assert_no_zombies(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    states = [Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] for child in children]
    assert "Z" not in states


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("boot.core.before", marks=pytest.mark.full),
        pytest.param("boot.core.after", marks=pytest.mark.full),
        pytest.param("boot.revision.before", marks=pytest.mark.full),
        "boot.revision.after",
    ],
)
async def test_a_boot_that_is_killed_is_finished_by_the_next(new_runtime, asked, point):
    new_runtime.revise(asked(PATIENTS))
    killed = await new_runtime.start(DENTALPIN_FAULT=point)
    assert await killed.ended() == -signal.SIGKILL

    attestation = await (await new_runtime.serve()).attestation()

    assert attestation["as_asked"]
    assert attestation["healthy"]
    assert fetch_value(new_runtime.database.owner_url, "SELECT count(*) FROM clinics") == 1


async def test_a_serving_process_dies_with_its_supervisor(runtime):
    """The wish to die with the parent is kept over `execve`, from the first stage into the second."""
    supervisor = await runtime.start(program=("-c", SUPERVISOR, sys.executable, "-m", "app.cli.main", "serve"))
    await supervisor.event("ready")

    supervisor.process.kill()

    # The channel ends when the last process that could write to it is gone.
    assert await asyncio.wait_for(supervisor.status.read(), 60) == b""


SUPERVISOR = """
import os, subprocess, sys
environment = {**os.environ, "DENTALPIN_PARENT_PID": str(os.getpid())}
subprocess.Popen(sys.argv[1:], env=environment, close_fds=False).wait()
"""


async def test_an_older_revision_is_refused_with_the_reason(runtime, asked):
    runtime.revise(asked(PATIENTS, generation=2))
    await (await runtime.serve()).drain()
    runtime.revise(asked(PATIENTS, generation=1))

    process = await runtime.start()
    failed = await process.event("failed")

    assert failed["code"] == "revision_older"
    assert "as a new generation" in failed["reason"]
    assert await process.ended() == 1


async def test_where_an_older_process_serves_a_failed_module_leaves_it_serving(new_runtime, asked):
    new_runtime.revise(asked(PATIENTS, generation=1))
    older = await new_runtime.serve()
    new_runtime.revise(asked(PATIENTS, AGENDA, generation=2))

    newer = await new_runtime.start(DENTALPIN_KEEP_OLD="1", DENTALPIN_FAULT="processor.install.migrate.before:error")
    failed = await newer.event("failed")

    assert failed["code"] == "modules_not_as_asked"
    assert AGENDA in failed["reason"]
    assert await newer.ended() == 3
    assert (await older.get("/health/ready"))[0] == 200


async def test_without_an_older_process_the_rest_serves_and_the_attestation_says_what_failed(new_runtime, asked):
    new_runtime.revise(asked(PATIENTS, generation=1))
    await (await new_runtime.serve()).drain()
    new_runtime.revise(asked(PATIENTS, AGENDA, generation=2))

    process = await new_runtime.serve(DENTALPIN_FAULT="processor.install.migrate.before:error")
    attestation = await process.attestation()

    assert [item["name"] for item in attestation["not_as_asked"]] == [AGENDA]
    assert attestation["healthy"]
    assert (await process.get("/api/v1/patients"))[0] == 401
    assert (await process.get("/api/v1/agenda/appointments"))[0] == 404


async def test_an_idle_process_leaves_and_the_next_connection_waits_for_the_following_one(runtime):
    process = await runtime.serve(DENTALPIN_IDLE_AFTER="0.2")

    idle = await process.event("idle")
    assert await process.ended() == 0
    request = asyncio.create_task(get_json(*runtime.address, "/health/live"))
    await runtime.serve()

    assert idle["wake_at"] is None
    assert await request == (200, {"status": "alive"})


async def readiness_is(process, status):
    return (await process.get("/health/ready"))[0] == status


async def test_losing_the_locks_stops_serving_until_they_are_retaken(runtime, postgres):
    process = await runtime.serve()
    superuser = await asyncpg.connect(postgres.superuser_url)
    await superuser.execute(f"ALTER DATABASE {runtime.database.name} ALLOW_CONNECTIONS false")
    await superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", runtime.database.name)

    await until(lambda: readiness_is(process, 503))
    refused = await process.get("/api/v1/patients")
    await superuser.execute(f"ALTER DATABASE {runtime.database.name} ALLOW_CONNECTIONS true")
    await superuser.close()
    await until(lambda: readiness_is(process, 200))

    assert refused[0] == 503
    assert refused[1]["errors"][0]["code"] == "database_unavailable"
    assert (await process.get("/api/v1/patients"))[0] == 401


async def test_the_attestation_is_for_the_platform_only(runtime):
    process = await runtime.serve()
    tokens = ["nonsense", platform_token("invite"), platform_token(audience="somebody else"), platform_token(key=SigningKey.generate())]

    without = await process.get("/api/v1/modules/-/attestation")
    wrong = [await process.get("/api/v1/modules/-/attestation", Authorization=f"Bearer {token}") for token in tokens]

    assert [status for status, _ in [without, *wrong]] == [401] * 5
    assert all(body["data"] is None for _, body in [without, *wrong])


async def test_a_stand_alone_runtime_installs_what_is_installed_by_default(new_runtime, unused_port):
    process = await new_runtime.start(supervised=False, DENTALPIN_PORT=str(unused_port))
    await process.ready()

    assert await installed(new_runtime) == [AGENDA, PATIENTS]
    assert await get_json("127.0.0.1", unused_port, "/health/ready") == (
        200,
        {"status": "ready", "checks": {"locks": True, "database": True, "modules": True}},
    )
    assert (await process.get("/api/v1/modules/-/attestation", Authorization=f"Bearer {platform_token()}"))[0] == 404
    assert await process.drain() == 0


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_a_weak_secret_is_refused_without_repeating_it(new_runtime):
    process = await new_runtime.start(DENTALPIN_SECRET_KEY="hunter2")
    failed = await process.event("failed")

    assert failed["code"] == "setting_invalid"
    assert "DENTALPIN_SECRET_KEY" in failed["reason"]
    assert "hunter2" not in failed["reason"] + process.tail()
    assert await process.ended() == 1


async def test_the_log_is_json_without_passwords(runtime):
    await (await runtime.serve()).drain()

    lines = (runtime.folder / "runtime.log").read_text().splitlines()

    assert all(json.loads(line)["message"] for line in lines)
    assert "only-for-tests" not in "".join(lines)


async def test_a_copy_serves_behind_its_fences(runtime, asked):
    isolated = {"tenant_id": TENANT_ID, "of": "clinica-sol", "taken_at": "2026-11-21T02:30:00+00:00", "until": "2026-12-05"}
    runtime.revise(asked(PATIENTS, generation=2, isolated=isolated))

    process = await runtime.serve()

    await process.attests(generation=2, as_asked=True, healthy=True)
    assert "NoNewPrivs:\t1" in Path(f"/proc/{process.pid}/status").read_text()
