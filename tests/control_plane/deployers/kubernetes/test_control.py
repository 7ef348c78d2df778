"""Asking a pod at its own address: another server than the API server answers, on the runtime's port."""

import asyncio
import random
import socket
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from control_plane.deployers.base import DeployerUnavailable, RuntimeRefused
from control_plane.deployers.kubernetes import control
from control_plane.deployers.kubernetes.api import Api
from control_plane.deployers.kubernetes.facts import ClusterFacts
from control_plane.deployers.kubernetes.handles import Handle
from control_plane.deployers.kubernetes.watching import Mirror

API = Api("one", {})
DIRECT = Handle("one", ClusterFacts(domain="clinics.example", reach="direct"), API, Mirror(API))


async def runtime(request):
    if "authorization" not in request.headers:
        return JSONResponse({"data": None, "message": "who asks?", "errors": [{"code": "platform_token_missing"}]}, 401)
    return JSONResponse({"data": {"asked": request.method, "as": request.headers["authorization"]}})


@asynccontextmanager
async def pod_with_a_runtime():
    """A pod whose address is one of this machine's own, which nobody else listens at."""
    with socket.socket() as listening:
        address = f"127.{random.randrange(1, 255)}.{random.randrange(255)}.{random.randrange(1, 255)}"
        listening.bind((address, control.PORT))
        listening.listen()
        app = Starlette(routes=[Route("/{path:path}", runtime, methods=["GET", "POST"])])
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        yield pod(address)
        server.should_exit = True
        await serving


def pod(address):
    return {"metadata": {"namespace": "clinic-1", "name": "clinic-abc"}, "status": {"podIP": address} if address else {}}


async def test_a_runtime_is_asked_at_its_pods_address_and_its_refusals_are_its_own():
    async with pod_with_a_runtime() as found:
        answer = await control.ask(DIRECT, found, "POST", "/api/v1/-/anything", {"a": 1}, "a-token")
        assert answer["data"] == {"asked": "POST", "as": "Bearer a-token"}
        with pytest.raises(RuntimeRefused, match="who asks") as refused:
            await control.ask(DIRECT, found, "GET", "/api/v1/-/anything", None, None)
        assert (refused.value.answered, refused.value.runtime_code) == (401, "platform_token_missing")


@pytest.mark.parametrize(("address", "why"), [(None, "has no address yet"), ("127.255.255.254", "did not answer")])
async def test_a_pod_that_cannot_be_reached_may_be_later(address, why):
    with pytest.raises(DeployerUnavailable, match=why):
        await control.ask(DIRECT, pod(address), "GET", "/health/ready", None, None)
