"""One tenant behind the supervisor: started, handed over, idle, woken, failing, stopped, removed."""

import asyncio
import json
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.visitors import Visitors


async def test_a_tenant_is_served_on_a_port_of_its_own(platform):
    shown = await platform.serving()

    answer = await platform.get(shown["port"], "/patients")

    assert answer.json()["data"] == {"pid": platform.pid(shown), "method": "GET", "path": "/patients", "authorization": None}


async def test_the_same_again_starts_nothing(platform):
    first = await platform.serving()

    assert (await platform.put("one"))["processes"] == first["processes"]


async def test_requests_that_race_start_one_process(platform):
    await asyncio.gather(*(platform.put("one") for _ in range(5)))
    await platform.until(lambda shown: shown["state"] == "serving")

    assert len(platform.starts()) == 1


async def test_eight_visitors_see_no_failed_request_while_processes_change(platform):
    shown = await platform.serving()
    async with Visitors(f"http://127.0.0.1:{shown['port']}/patients", count=8) as visitors:
        for digest in ("two", "three", "four"):
            await visitors.served(40)
            before = platform.pid(shown)
            shown = await platform.serving(digest)
            assert platform.pid(shown) != before
        await visitors.served(40)

    assert visitors.failures == []
    assert (await platform.until(lambda now: len(now["processes"]) == 1))["failures"] == 0


async def test_two_restarts_at_once_end_with_one_process_that_started_after_both(platform):
    shown = await platform.serving()

    await asyncio.gather(platform.post("restart"), platform.post("restart"))
    after = await platform.until(lambda now: now["as_asked"] and len(now["processes"]) == 1)

    assert platform.pid(after) != platform.pid(shown)
    assert len(platform.starts()) in (2, 3)


async def test_a_runtime_that_wants_a_restart_gets_it(platform):
    shown = await platform.serving()

    await platform.get(shown["port"], "/restart")

    await platform.until(lambda now: now["as_asked"] and len(now["processes"]) == 1 and platform.pid(now) != platform.pid(shown))
    assert [start["keep_old"] for start in platform.starts()] == [None, "1"]


async def test_a_start_that_fails_leaves_the_old_process_serving_and_keeps_the_reason(platform):
    shown = await platform.serving()
    platform.behave(fail="migration_failed", reason="connecting to postgresql://app:swordfish9@127.0.0.1/db", print="password=swordfish9")

    await platform.put("two")
    failed = await platform.until(lambda now: now["failures"] > 0)

    assert (await platform.get(shown["port"])).json()["data"]["pid"] == platform.pid(shown)
    assert failed["last_failure"]["code"] == "migration_failed"
    assert failed["last_failure"]["digest"] == "two"
    assert "swordfish9" not in json.dumps(failed)
    assert not failed["as_asked"]


async def test_a_change_is_tried_at_once_after_failures(platform):
    platform.behave(fail="broken")
    await platform.put("one")
    await platform.until(lambda now: now["failures"] >= 2)
    platform.behave()

    shown = await platform.serving("two")

    assert shown["failures"] == 0


async def test_while_starting_fails_visitors_are_asked_to_wait(platform):
    platform.behave(fail="broken", reason="no such table")
    port = (await platform.put("one"))["port"]
    await platform.until(lambda now: now["state"] == "failing")

    page = await platform.get(port, "/", headers={"Accept": "text/html"})
    answer = await platform.get(port, "/api/v1/patients")

    assert (page.status_code, answer.status_code) == (503, 503)
    assert "Clínica Sol" in page.text
    assert answer.headers["retry-after"] == "3"
    assert answer.json()["errors"] == [{"code": "not_available"}]
    assert "no such table" not in page.text + answer.text


async def test_failing_starts_come_ever_more_slowly_and_recover_by_themselves(platform):
    platform.behave(fail="broken")
    await platform.put("one")
    await platform.until(lambda now: now["failures"] >= 3)
    platform.behave()

    await platform.until(lambda now: now["state"] == "serving")


async def test_an_idle_process_leaves_and_the_next_connection_starts_it(platform):
    platform.behave(idle="nothing-to-do")
    shown = await platform.serving()

    (platform.tenant_folder / "nothing-to-do").touch()
    idle = await platform.until(lambda now: now["state"] == "idle" and not now["processes"])
    answers = await asyncio.gather(*(platform.get(shown["port"]) for _ in range(5)))

    assert idle["port"] == shown["port"]
    assert {answer.status_code for answer in answers} == {200}
    assert len(platform.starts()) == 2


async def test_an_idle_tenant_wakes_when_something_is_due(platform):
    platform.behave(idle="nothing-to-do", wake_at=(datetime.now(UTC) + timedelta(seconds=1)).isoformat())
    await platform.serving()

    (platform.tenant_folder / "nothing-to-do").touch()
    await platform.until(lambda now: now["state"] == "idle")

    await platform.until(lambda now: now["state"] == "serving")


async def test_waking_answers_when_the_tenant_serves(platform):
    platform.behave(idle="nothing-to-do")
    await platform.serving()
    (platform.tenant_folder / "nothing-to-do").touch()
    await platform.until(lambda now: now["state"] == "idle")

    assert (await platform.post("wake", seconds=20))["state"] == "serving"


async def test_a_killed_process_is_replaced_while_visitors_wait(platform):
    shown = await platform.serving()

    os.kill(platform.pid(shown), signal.SIGKILL)
    await platform.until(lambda now: all(process["pid"] != platform.pid(shown) for process in now["processes"]))
    answer = await platform.get(shown["port"])

    assert answer.status_code == 200
    assert (await platform.show())["last_failure"]["code"] == "died"


async def test_a_process_that_keeps_dying_is_started_ever_more_slowly(platform):
    shown = await platform.serving()
    for _ in range(3):
        gone = platform.pid(await platform.until(lambda now: now["state"] == "serving"))
        os.kill(gone, signal.SIGKILL)
        await platform.until(lambda now, gone=gone: all(process["pid"] != gone for process in now["processes"]))

    recovered = await platform.until(lambda now: now["state"] == "serving")

    assert recovered["port"] == shown["port"]


async def test_a_stopped_tenant_has_no_process_keeps_its_port_and_says_so(platform):
    shown = await platform.serving()

    stopped = await platform.post("stop")

    assert (stopped["state"], stopped["processes"]) == ("stopped", [])
    assert (await platform.get(shown["port"])).json()["errors"] == [{"code": "stopped"}]
    assert (await platform.serving())["port"] == shown["port"]


async def test_a_deleted_tenant_leaves_no_process_and_no_port(platform):
    shown = await platform.serving()

    assert (await platform.call("DELETE", f"/tenants/{platform.tenant}")).json()["state"] == "absent"

    assert (await platform.call("GET", f"/tenants/{platform.tenant}")).status_code == 404
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", shown["port"])


async def test_the_door_is_closed_without_the_token_and_says_what_is_wrong_with_a_spec(platform, settings):
    announced = json.loads(settings.announcement.read_text())

    assert (await platform.client.get(announced["url"] + "/tenants")).status_code == 401
    assert "slug" in (await platform.call("PUT", f"/tenants/{platform.tenant}", json={"digest": "x"})).json()["detail"]
    assert (await platform.call("PUT", "/tenants/..%2Fetc", json={})).status_code == 422
    assert (await platform.call("GET", "/elsewhere")).status_code == 404
    assert settings.announcement.stat().st_mode & 0o077 == 0


async def test_a_killed_supervisor_takes_its_processes_along_and_the_next_goes_on(platform_of_process, process):
    platform = platform_of_process
    shown = await platform.serving()

    await process.end(signal.SIGKILL)
    await process.start()
    after = await platform.until(lambda now: now["state"] == "serving")

    assert after["port"] == shown["port"]
    assert platform.pid(after) != platform.pid(shown)
    assert not alive(platform.pid(shown))


async def test_a_supervisor_killed_during_a_hand_over_goes_on_to_what_was_asked_last(platform_of_process, process):
    platform = platform_of_process
    shown = await platform.serving()
    platform.behave(hang=True)
    await platform.put("two")
    await platform.until(lambda now: now["state"] == "handing_over")

    await process.end(signal.SIGKILL)
    platform.behave()
    await process.start()

    after = await platform.until(lambda now: now["state"] == "serving")
    assert (after["serving_digest"], after["port"]) == ("two", shown["port"])


async def test_an_idle_tenant_stays_idle_over_a_restart_of_the_supervisor(platform_of_process, process):
    platform = platform_of_process
    platform.behave(idle="nothing-to-do")
    shown = await platform.serving()
    (platform.tenant_folder / "nothing-to-do").touch()
    await platform.until(lambda now: now["state"] == "idle" and not now["processes"])

    await process.end(signal.SIGTERM)
    await process.start()

    assert (await platform.show())["state"] == "idle"
    assert (await platform.get(shown["port"])).status_code == 200


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
