"""Running a release's pending processor on a copy of a tenant's data, in a folder that is thrown away; nothing of it serves or sends."""

import asyncio
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any, Final

from control_plane.deployers.base import DatabaseAddress, DeployerUnavailable, Rehearsal
from control_plane.deployers.local.environment import runtime_environment
from control_plane.deployers.local.secrets import write_addresses
from control_plane.deployers.local.settings import PASSED_ON
from dentalpin_kit.logs import scrub

LONGEST_SECONDS: Final = 840.0
_SENDS: Final = frozenset({"DENTALPIN_SMTP_URL_FILE", "DENTALPIN_FAULT", "DENTALPIN_FAULT_ONCE"})
_WORTH_TELLING: Final = ("name", "outcome", "operation", "version", "reason")


async def rehearse(tenant: Path, program: Path, database: DatabaseAddress) -> Rehearsal:
    """Bring `database`, a copy, to the release of `program` and tell what came of it. Raises DeployerUnavailable."""
    folder = tenant / "rehearsal"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(tenant / "secrets", folder / "secrets")
    try:
        write_addresses(folder, database)
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ and name not in _SENDS}
        environment = runtime_environment(folder, program, passed_on)
        # A runtime that is told of no revision belongs to nobody who could be told anything.
        del environment["DENTALPIN_REVISION_FILE"]
        (folder / "storage").mkdir(mode=0o700)
        began = time.monotonic()
        status, printed, complaints = await _run([str(program), "modules", "process", "--json"], environment, folder)
        return _told(status, printed, complaints, time.monotonic() - began)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _run(command: list[str], environment: dict[str, str], folder: Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            printed, complaints = await process.communicate()
    except TimeoutError as error:
        raise DeployerUnavailable(f"The rehearsal did not end within {LONGEST_SECONDS:.0f} s; it is tried again.") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, printed.decode("utf-8", "replace"), complaints.decode("utf-8", "replace")


def _told(status: int, printed: str, complaints: str, seconds: float) -> Rehearsal:
    try:
        found = json.loads(printed)
        modules: list[dict[str, Any]] = [{key: module.get(key) for key in _WORTH_TELLING} for module in found["data"]["modules"]]
    except (ValueError, KeyError, TypeError):
        said = scrub((complaints.strip() or printed.strip() or "it said nothing")[-1000:])
        return Rehearsal(False, round(seconds, 1), (), f"The release's processor ended with status {status}: {said}")
    for module in modules:
        module["reason"] = scrub(module["reason"]) if module["reason"] else None
    failed = [f"{module['name']}: {module['reason'] or module['outcome']}" for module in modules if status and module["reason"]]
    problem = "; ".join(failed) or f"The release's processor ended with status {status}." if status else None
    return Rehearsal(
        status == 0, round(seconds, 1), tuple(module for module in modules if module["operation"] or module["reason"]), problem
    )
