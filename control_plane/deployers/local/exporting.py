"""A tenant's own release writes its export archive: `dentalpin export`, as owner, with the tenant's environment."""

import asyncio
import json
import os
from pathlib import Path
from typing import Final

from control_plane.deployers.base import DeployerUnavailable, RuntimeRefused
from control_plane.deployers.local.environment import runtime_environment
from control_plane.deployers.local.settings import PASSED_ON

_MAY_PASS: Final = frozenset({"database_unreachable", "backup_storage_full"})
"""Codes of refusals that time may cure, or room on the disk."""


async def write_export(tenant: Path, program: Path, file: Path, *, bindir: Path | None) -> None:
    """Raises RuntimeRefused with the runtime's own words, DeployerUnavailable where it may succeed later."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    if bindir is not None:
        passed_on["PG_BINDIR"] = str(bindir.absolute())
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "export",
            file,
            "--json",
            cwd=tenant,
            env=runtime_environment(tenant, program, passed_on),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise RuntimeRefused(
            f"{program} cannot be started ({error.strerror}). Put the release's environment back, then retry.",
            answered=409,
            code="environment_missing",
        ) from error
    try:
        said, complaints = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        message, code = _refusal(said, complaints)
        if code in _MAY_PASS:
            raise DeployerUnavailable(f"The export cannot be written now: {message}")
        raise RuntimeRefused(f"The runtime could not export: {message}", answered=409, code=code)


def _refusal(said: bytes, complaints: bytes) -> tuple[str, str]:
    try:
        answer = json.loads(said)
        return str(answer["message"]), str(answer["errors"][0]["code"])
    except (ValueError, KeyError, TypeError, IndexError):
        return complaints.decode("utf-8", "replace").strip()[-500:] or "it said nothing", "export_failed"
