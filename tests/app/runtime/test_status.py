import json
import os

from app.core.runtime.status import StatusChannel


def test_each_event_is_one_json_line():
    reading, writing = os.pipe()
    status = StatusChannel(writing)

    status.step("core")
    status.ready(control="http://127.0.0.1:4000", generation=3)
    status.idle("2026-11-21T12:00:00+00:00")
    status.restart_wanted("installed but not mounted: inventory")
    status.failed("boot_failed", "two\nlines")
    os.close(writing)

    with os.fdopen(reading) as stream:
        events = [json.loads(line) for line in stream]
    assert events == [
        {"event": "step", "name": "core"},
        {"event": "ready", "pid": os.getpid(), "control": "http://127.0.0.1:4000", "generation": 3},
        {"event": "idle", "wake_at": "2026-11-21T12:00:00+00:00"},
        {"event": "restart_wanted", "reason": "installed but not mounted: inventory"},
        {"event": "failed", "code": "boot_failed", "reason": "two\nlines"},
    ]


def test_a_supervisor_that_is_gone_does_not_disturb():
    reading, writing = os.pipe()
    os.close(reading)

    StatusChannel(writing).draining()
    os.close(writing)


def test_without_a_supervisor_nothing_is_written():
    StatusChannel(None).draining()
