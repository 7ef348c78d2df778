"""Webhooks that need somebody: disabled for their failures, or with a queue that no worker sends."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.stuck.schemas import MOST, StuckOut, WayOut
from control_plane.webhooks.models import WebhookDelivery, WebhookEndpoint
from control_plane.webhooks.states import BY_HAND, DeliveryState, EndpointState
from dentalpin_kit.problems import ErrorClass

GRACE: Final = timedelta(minutes=15)


async def stuck_webhooks(session: AsyncSession, at: datetime) -> list[StuckOut]:
    """One that a person disabled waits for nobody."""
    waiting = (
        select(WebhookDelivery.endpoint_id, func.min(WebhookDelivery.created_at).label("since"))
        .where(WebhookDelivery.state == DeliveryState.PENDING)
        .group_by(WebhookDelivery.endpoint_id)
        .subquery()
    )
    given_up = and_(WebhookEndpoint.state == EndpointState.DISABLED, ~WebhookEndpoint.reason.startswith(BY_HAND))
    late = and_(WebhookEndpoint.state == EndpointState.ENABLED, waiting.c.since < at - GRACE, WebhookEndpoint.due_at < at - GRACE)
    query = select(WebhookEndpoint, waiting.c.since).outerjoin(waiting, waiting.c.endpoint_id == WebhookEndpoint.id)
    found = []
    for endpoint, since in (await session.execute(query.where(or_(given_up, late)).order_by(WebhookEndpoint.number).limit(MOST))).all():
        found.append(_shown(endpoint, since, at))
    return found


def _shown(endpoint: WebhookEndpoint, waits_since: datetime | None, at: datetime) -> StuckOut:
    path, disabled = f"/v1/webhooks/{endpoint.id}", endpoint.state is EndpointState.DISABLED
    since = (endpoint.failed_at if disabled else max(filter(None, (waits_since, endpoint.due_at)))) or at
    ways = [WayOut(action="enable", request=f"POST {path}/enable"), WayOut(action="send what was missed", request=f"POST {path}/recover")]
    return StuckOut(
        what="webhook",
        id=str(endpoint.id),
        tenant=None,
        state=endpoint.state if disabled else "late",
        since=since,
        age_seconds=(at - since).total_seconds(),
        deadline=None,
        reason=endpoint.reason or "Events wait for it and no worker sends them: none runs, or none can reach the database.",
        error_class=ErrorClass.USER if disabled else ErrorClass.US,
        ways_out=ways if disabled else [WayOut(action="disable", request=f"POST {path}/disable")],
        runbook="webhook-disabled.md" if disabled else "webhook-late.md",
    )
