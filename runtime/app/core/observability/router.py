"""`GET /metrics`, on the control channel of the process only: it is nobody's business on the clinic's public address."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from app.core.observability.metrics import INSTRUMENTS
from app.core.observability.readings import readings
from app.core.runtime.fingerprint import core_version
from app.core.runtime.server import CONTROL
from dentalpin_kit.metrics import CONTENT_TYPE, Reading

router = APIRouter(include_in_schema=False, default_response_class=Response)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """What this process counted and what its database says, in Prometheus' text format. Holds nothing of a clinic's people."""
    if not request.scope.get("state", {}).get(CONTROL):
        raise HTTPException(404)
    labels = (core_version(), str(request.app.state.mode))
    info = Reading("dentalpin_runtime_info", "What runs here; the value says nothing.", ("version", "mode"), ((labels, 1),))
    return Response(INSTRUMENTS.render([info, *await readings(request.app.state.database)]), media_type=CONTENT_TYPE)
