"""`dentalpin prepare` and serving after it, as an init container and its pod do: the owner's credentials are in the first only."""

import json
import socket

from app.core.runtime.leaving_word import MOST_BYTES, leave_word
from tests.support.revisions import TENANT_ID
from tests.support.runtime_process import get_json, platform_token

PREPARE = ("-m", "app.cli.main", "prepare")
REMOVE = ("-m", "app.cli.main", "modules", "process", "--removals", "--wait")
NO_OWNER = {"OWNER_DATABASE_URL": "", "DENTALPIN_PREPARED": "1"}


async def ended(runtime, *program, **changes):
    """The exit status and the report of a command."""
    report = runtime.folder / "report.json"
    report.unlink(missing_ok=True)
    process = await runtime.start(program=program, status=False, supervised=False, DENTALPIN_REPORT_FILE=str(report), **changes)
    status = await process.process.wait()
    return status, json.loads(report.read_text()) if report.exists() else None


async def test_a_pod_serves_what_its_init_container_prepared_and_a_job_removes_what_it_left(runtime, asked):
    older = await runtime.serve(**NO_OWNER)
    runtime.revise(asked("patients", generation=2))
    assert await ended(runtime, *PREPARE) == (0, None)
    younger = await runtime.serve(**NO_OWNER)
    before = await younger.attestation()
    assert before["generation"] == 2
    assert {module["name"] for module in before["modules"] if module["mounted"]} == {"patients"}
    assert await older.drain() == 0
    assert await ended(runtime, *REMOVE) == (0, None)
    assert (await younger.attestation())["as_asked"]

    runtime.revise(asked("patients", "agenda", generation=1))
    assert await ended(runtime, *PREPARE) == (0, None), "a pod of before that starts again serves what is there"
    runtime.revise(asked("agenda", "patients", generation=2))
    status, report = await ended(runtime, *PREPARE)
    assert (status, report["code"]) == (1, "revision_conflict")


async def test_the_platform_asks_one_pod_on_a_port_of_its_own_also_through_a_proxy(runtime):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        free_port = listening.getsockname()[1]
    process = await runtime.serve(DENTALPIN_CONTROL_PORT=str(free_port), DENTALPIN_CONTROL_HOST="127.0.0.1")
    token = f"Bearer {platform_token(audience=TENANT_ID)}"
    path = "/api/v1/modules/-/attestation"

    status, body = await get_json("127.0.0.1", free_port, path, **{"x-dentalpin-authorization": token})
    assert (status, body["data"]["pid"]) == (200, process.pid)
    public, _ = await get_json(*runtime.address, path, **{"x-dentalpin-authorization": token})
    assert public == 401, "on the public address the header means nothing"


def test_a_report_says_what_failed_and_stays_as_short_as_kubernetes_keeps_it(tmp_path):
    file = tmp_path / "report"
    many = [{"name": f"module_{n}", "outcome": "failed", "reason": "é" * 300} for n in range(20)]
    leave_word(file, "modules_not_as_asked", "not every module is as asked", [{"name": "a", "outcome": "done", "reason": None}, *many])

    assert len(file.read_bytes()) <= MOST_BYTES
    told = json.loads(file.read_text())
    assert told["modules"][0] == {"name": "module_0", "outcome": "failed", "reason": "é" * 300}
    leave_word(None, "x", "nobody asked")
    leave_word(tmp_path / "no" / "such", "x", "nowhere to leave it")
    assert list(tmp_path.iterdir()) == [file]
