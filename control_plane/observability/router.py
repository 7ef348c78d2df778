"""`/metrics` for a Prometheus with an operator key, and `/metrics/targets`, by which it finds the runtimes that are awake."""

from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response

from control_plane.access.requires import Guards
from control_plane.access.routing import ThisPlatform, current_actor
from control_plane.observability.metrics import INSTRUMENTS, readings
from dentalpin_kit.metrics import CONTENT_TYPE

router = APIRouter(
    prefix="/metrics", tags=["observability"], dependencies=[Depends(current_actor), Guards("metrics")], include_in_schema=False
)


@router.get("")
async def metrics(platform: ThisPlatform) -> Response:
    """What this process counted and how tenants and operations stand, in Prometheus' text format."""
    async with platform.database.transaction() as session:
        read = await readings(session, at=platform.clock.now())
    return Response(INSTRUMENTS.render(read), media_type=CONTENT_TYPE)


@router.get("/targets")
async def targets(platform: ThisPlatform) -> Response:
    """The control channels of the runtimes that serve now, as Prometheus' `http_sd_configs` reads them. A sleeping clinic stays asleep."""
    found = await platform.deployer.control_channels()
    known = sorted((str(tenant_id), address) for tenant_id, address in found.items())
    body: list[dict[str, Any]] = [{"targets": [address], "labels": {"tenant": tenant_id}} for tenant_id, address in known]
    return JSONResponse(body)
