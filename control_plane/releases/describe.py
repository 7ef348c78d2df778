"""Asking the runtime's environment what it holds: the only way a release comes into being here."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any, ClassVar, Final

from control_plane.errors import TemporaryError
from control_plane.releases.catalogue import UnreadableRelease
from dentalpin_kit.canonical import digest_text

TIMEOUT_SECONDS: Final = 60.0
_PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")


class EnvironmentUnavailable(TemporaryError):
    code: ClassVar[str] = "runtime_environment_unavailable"


async def describe(environment: Path) -> tuple[str, dict[str, Any]]:
    """The release id and the description that `<environment>/bin/dentalpin release describe` prints now.

    The id is the digest of exactly the text printed. Raises EnvironmentUnavailable, UnreadableRelease.
    """
    program = environment / "bin" / "dentalpin"
    # Nothing of the platform's own environment: it holds database addresses that are no business of the modules'.
    variables = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    try:
        process = await asyncio.create_subprocess_exec(
            program, "release", "describe", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=variables
        )
    except OSError as error:
        raise EnvironmentUnavailable(
            f"The runtime's environment has no usable {program} ({error.strerror}). `./dev up` makes it; --runtime-env names another."
        ) from error
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            printed, complaints = await process.communicate()
    except TimeoutError as error:
        raise EnvironmentUnavailable(f"`{program} release describe` did not answer within {TIMEOUT_SECONDS:.0f} s.") from error
    finally:
        # Also when the caller ends meanwhile: nothing may outlive it.
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        last = complaints.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise EnvironmentUnavailable(f"`{program} release describe` ended with status {process.returncode}: {last[0][:500]}")
    return read_description(printed.decode("utf-8"), of=f"{program} release describe")


def read_description(printed: str, *, of: str) -> tuple[str, dict[str, Any]]:
    """The release id and the description in what was printed. Raises UnreadableRelease."""
    text = printed.rstrip("\n")
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UnreadableRelease(f"`{of}` printed no JSON: {text[:200]!r}") from error
    if not isinstance(document, dict):
        raise UnreadableRelease(f"`{of}` printed no JSON object.")
    return digest_text(text), document
