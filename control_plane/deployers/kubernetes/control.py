"""Asking a runtime over its control channel: at the pod's own address, or through the API server where pods cannot be reached."""

import json as jsonlib
from typing import Any, Final

import httpx2

from control_plane.deployers.base import DeployerUnavailable, RuntimeRefused
from control_plane.deployers.kubernetes.api import Object
from control_plane.deployers.kubernetes.handles import Handle

PORT: Final = 8001
SECONDS: Final = 30.0
FORWARDED: Final = "X-DentalPin-Authorization"
"""The API server keeps `Authorization` to itself (app.core.runtime.forwarded reads this one instead)."""


async def ask(handle: Handle, pod: Object, method: str, path: str, json: dict[str, Any] | None, token: str | None) -> dict[str, Any]:
    """The JSON body of a 2xx answer of this very pod. Raises RuntimeRefused for 4xx, DeployerUnavailable for everything else."""
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    if handle.facts.reach == "proxy":
        headers = {FORWARDED: f"Bearer {token}"} if token else {}
        status, content = await handle.api.proxied(namespace, name, PORT, method, path, body=json, headers=headers, seconds=SECONDS)
    else:
        status, content = await _directly(pod, method, path, json, token)
    if 200 <= status < 300:
        body: dict[str, Any] = jsonlib.loads(content) if content else {}
        return body
    message, code, ours = _refusal(content)
    if 400 <= status < 500 and ours:
        raise RuntimeRefused(message, answered=status, code=code)
    raise DeployerUnavailable(f"The runtime in {namespace}/{name} answered {status} to {method} {path}: {message}")


async def _directly(pod: Object, method: str, path: str, json: dict[str, Any] | None, token: str | None) -> tuple[int, bytes]:
    address = (pod.get("status") or {}).get("podIP")
    if not address:
        raise DeployerUnavailable(f"Pod {pod['metadata']['name']} has no address yet; ask again.")
    host = f"[{address}]" if ":" in address else address
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        async with httpx2.AsyncClient(timeout=SECONDS) as client:
            answer = await client.request(method, f"http://{host}:{PORT}{path}", headers=headers, json=json)
    except httpx2.HTTPError as error:
        raise DeployerUnavailable(f"The runtime in pod {pod['metadata']['name']} did not answer {method} {path} ({error!r}).") from error
    return answer.status_code, answer.content


def _refusal(content: bytes) -> tuple[str, str | None, bool]:
    """(what it says, its code, whether the runtime said it): the API server's own refusals have another form."""
    try:
        body = jsonlib.loads(content)
        if body.get("kind") == "Status":
            return str(body.get("message")), None, False
        return str(body.get("message")), (body.get("errors") or [{}])[0].get("code"), True
    except (ValueError, AttributeError, IndexError):
        return content.decode("utf-8", "replace")[:300], None, True
