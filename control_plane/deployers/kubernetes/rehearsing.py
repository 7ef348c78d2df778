"""A release's processor on a copy of a clinic's data, as a Job beside the clinic: what became of it, and nothing of it stays."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

from control_plane.deployers.base import DeployerUnavailable, Rehearsal
from control_plane.deployers.kubernetes.api import Object
from control_plane.deployers.kubernetes.facts import ClinicFacts
from control_plane.deployers.kubernetes.handles import Handle
from control_plane.deployers.kubernetes.rendering import render_rehearsal
from control_plane.deployers.kubernetes.rollout import Cause, left_behind, told, troubles_of

NAME: Final = "rehearsal"
LONGEST_SECONDS: Final = 840.0
GOING_SECONDS: Final = 60.0


async def rehearse(handle: Handle, clinic: ClinicFacts, secret: Mapping[str, str], *, pull: bool) -> Rehearsal:
    """`clinic` with the copy's address and the release's image. Raises DeployerUnavailable where it came to no end."""
    await handle.mirror.ready()
    await _clear(handle, clinic.namespace)
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        for manifest in render_rehearsal(clinic, handle.facts, secret, pull=pull):
            applied = await handle.api.apply(manifest)
        ended = await _end(handle, clinic.namespace, applied["metadata"]["uid"], began + LONGEST_SECONDS)
        return _told(ended, round(loop.time() - began, 1))
    finally:
        await asyncio.shield(_clear(handle, clinic.namespace))


async def _clear(handle: Handle, namespace: str) -> None:
    """What is left of this one, or of one that its worker did not see to the end: two would work on the same copy."""
    await handle.api.delete("Job", namespace, NAME)
    await handle.api.delete("Secret", namespace, NAME)
    loop = asyncio.get_running_loop()
    end = loop.time() + GOING_SECONDS
    while any(_is_ours(one) for kind in ("Job", "Pod") for one in handle.mirror.inside(kind, namespace)):
        if loop.time() >= end:
            raise DeployerUnavailable(f"A rehearsal of before is still going in {namespace}; it is waited for.")
        await handle.mirror.moved(1.0)


async def _end(handle: Handle, namespace: str, uid: str, end: float) -> tuple[bool, str | None]:
    """(whether it ended well, what it left behind)."""
    loop = asyncio.get_running_loop()
    while loop.time() < end:
        pods = [one for one in handle.mirror.inside("Pod", namespace) if _is_ours(one)]
        job = next((one for one in handle.mirror.inside("Job", namespace) if one["metadata"]["uid"] == uid), None)
        over = {one["type"] for one in ((job or {}).get("status") or {}).get("conditions") or () if one.get("status") == "True"}
        if "Complete" in over:
            return True, None
        if "Failed" in over:
            said = next((left for pod in pods for left in left_behind(pod, init=False)), None)
            if said is None:
                raise DeployerUnavailable(f"The rehearsal in {namespace} was ended before it could say anything; it is tried again.")
            return False, said
        trouble = next((found for found in troubles_of(pods) if found[0] is not Cause.UNSCHEDULABLE), None)
        if trouble is not None:
            return False, trouble[1]
        await handle.mirror.moved(1.0)
    raise DeployerUnavailable(f"The rehearsal did not end within {LONGEST_SECONDS:.0f} s; it is tried again.")


def _told(ended: tuple[bool, str | None], seconds: float) -> Rehearsal:
    ok, said = ended
    if ok or said is None:
        return Rehearsal(ok, seconds)
    return Rehearsal(False, seconds, tuple(_modules(said)), told(said))


def _modules(said: str) -> list[dict[str, Any]]:
    """Those the report names: what went well is not in it, since a termination message is short."""
    try:
        return [{key: module.get(key) for key in ("name", "outcome", "reason")} for module in json.loads(said)["modules"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _is_ours(subject: Object) -> bool:
    return (subject["metadata"].get("labels") or {}).get("app.kubernetes.io/component") == NAME
