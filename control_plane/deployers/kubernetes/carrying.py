"""Files and exports between a clinic's volume and the platform: a courier is started beside the volume, asked, and sent away.

Who is asked is a pod that this very call made, with a token for this purpose only.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx2

from control_plane.deployers.base import DeployerUnavailable, RuntimeRefused
from control_plane.deployers.kubernetes.api import Api, Object
from control_plane.deployers.kubernetes.control import FORWARDED, PORT
from control_plane.deployers.kubernetes.facts import ClinicFacts
from control_plane.deployers.kubernetes.handles import Handle
from control_plane.deployers.kubernetes.rendering import render_courier
from control_plane.deployers.kubernetes.rollout import Stage, is_ready, judge_removal
from dentalpin_kit.tokens import SigningKey, sign

PURPOSE: Final = "courier"
NAME: Final = "courier"
STARTING_SECONDS: Final = 180.0
CARRYING_SECONDS: Final = 7000.0
_TOKEN: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Courier:
    """What every courier is sent with."""

    key: SigningKey
    pull: bool
    """Whether its image is pulled with the platform's credentials."""


async def carried(
    handle: Handle, clinic: ClinicFacts, courier: Courier, method: str, path: str, content: AsyncIterable[bytes] | None = None
) -> AsyncGenerator[bytes, None]:
    """The body of the courier's 2xx answer, piece by piece. Raises RuntimeRefused for its 4xx, DeployerUnavailable for everything else."""
    namespace = clinic.namespace
    manifests = render_courier(clinic, handle.facts, pull=courier.pull)
    try:
        applied = {manifest["kind"]: await handle.api.apply(manifest) for manifest in manifests}
        pod = await _ready(handle, namespace, applied["Job"]["metadata"]["uid"])
        token = sign(courier.key, audience=str(clinic.tenant_id), purpose=PURPOSE, lifetime=_TOKEN)
        async with aclosing(_asked(handle, pod, method, path, f"Bearer {token}", content)) as answer:
            status = int(await anext(answer))
            if not 200 <= status < 300:
                said = b"".join([piece async for piece in answer])
                _refuse(status, said, f"{method} {path}")
            async for piece in answer:
                yield piece
    finally:
        for manifest in manifests:
            await asyncio.shield(handle.api.delete(manifest["kind"], namespace, NAME))


async def save(pieces: AsyncGenerator[bytes, None], file: Path) -> None:
    """Write an answer to a file (0600), whole or not at all."""
    draft = file.with_name(f".{file.name}.part")
    draft.touch(mode=0o600)
    try:
        with draft.open("wb") as stream:
            async with aclosing(pieces):
                async for piece in pieces:
                    await asyncio.to_thread(stream.write, piece)
        draft.rename(file)
    finally:
        draft.unlink(missing_ok=True)


async def _ready(handle: Handle, namespace: str, job_uid: str) -> Object:
    """The pod of this very Job, once it listens: one of before may not be gone yet."""
    await handle.mirror.ready()
    loop = asyncio.get_running_loop()
    end = loop.time() + STARTING_SECONDS
    while True:
        pods = [pod for pod in handle.mirror.inside("Pod", namespace) if _made_by(pod, job_uid)]
        pod = next((pod for pod in pods if is_ready(pod)), None)
        if pod is not None:
            return pod
        job = next((one for one in handle.mirror.inside("Job", namespace) if one["metadata"]["uid"] == job_uid), None)
        verdict = judge_removal(job, pods) if job is not None else None
        if (verdict is not None and verdict.stage is not Stage.UNDER_WAY) or loop.time() >= end:
            why = (verdict.reason if verdict else None) or f"it was not ready within {STARTING_SECONDS:.0f} s"
            raise DeployerUnavailable(f"The clinic's volume cannot be reached: {why}")
        await handle.mirror.moved(1.0)


def _made_by(pod: Object, uid: str) -> bool:
    owners = pod["metadata"].get("ownerReferences") or ()
    return "deletionTimestamp" not in pod["metadata"] and any(owner["uid"] == uid for owner in owners)


async def _asked(
    handle: Handle, pod: Object, method: str, path: str, token: str, content: AsyncIterable[bytes] | None
) -> AsyncGenerator[bytes, None]:
    """First the status, then the body."""
    if handle.facts.reach == "proxy":
        place = Api.proxy_path(pod["metadata"]["namespace"], pod["metadata"]["name"], PORT, path)
        async with aclosing(
            handle.api.stream(method, place, headers={FORWARDED: token}, content=content, seconds=CARRYING_SECONDS)
        ) as answer:
            async for piece in answer:
                yield piece
        return
    address = pod["status"]["podIP"]
    host = f"[{address}]" if ":" in address else address
    try:
        async with (
            httpx2.AsyncClient(timeout=httpx2.Timeout(CARRYING_SECONDS, connect=20.0)) as client,
            client.stream(method, f"http://{host}:{PORT}{path}", headers={"Authorization": token}, content=content) as answer,
        ):
            yield str(answer.status_code).encode()
            async for piece in answer.aiter_bytes():
                yield piece
    except httpx2.HTTPError as error:
        raise DeployerUnavailable(f"The courier in {pod['metadata']['name']} went away ({error!r}); it is sent again.") from error


def _refuse(status: int, said: bytes, asked: str) -> None:
    try:
        answer = json.loads(said)
        message, code = str(answer["message"]), str(answer["errors"][0]["code"])
    except (ValueError, KeyError, TypeError, IndexError):
        message, code = said.decode("utf-8", "replace")[:300], None
    if 400 <= status < 500 and code is not None:
        raise RuntimeRefused(f"The clinic's volume refuses {asked}: {message}", answered=status, code=code)
    raise DeployerUnavailable(f"The clinic's volume answered {status} to {asked}: {message}")
