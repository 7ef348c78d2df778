"""Giving events to the endpoints that asked for them: one delivery each, in the order in which the events became visible."""

import json
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.platform import Platform
from control_plane.tenants.models import Tenant
from control_plane.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from control_plane.webhooks.states import DeliveryState, EndpointState

BATCH: Final = 500
_LOCK: Final = 0x44500200
"""Advisory lock: two workers at once would mix up the order."""


async def fan_out(platform: Platform) -> None:
    """Queue what happened since the last time."""
    while True:
        async with platform.database.transaction() as session:
            if not await session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}):
                return
            if await _fan_out(session, platform) < BATCH:
                return


async def _fan_out(session: AsyncSession, platform: Platform) -> int:
    now = platform.clock.now()
    waiting = select(WebhookEvent).where(WebhookEvent.fanned_out_at.is_(None)).order_by(WebhookEvent.number).limit(BATCH)
    events = list(await session.scalars(waiting.with_for_update()))
    if not events:
        return 0
    endpoints = list(await session.scalars(select(WebhookEndpoint).order_by(WebhookEndpoint.number)))
    concerned = {event.tenant_id for event in events if event.tenant_id is not None}
    slugs = {row.id: row.slug for row in await session.execute(select(Tenant.id, Tenant.slug).where(Tenant.id.in_(concerned)))}
    for event in events:
        event.body = body_of(event, slugs.get(event.tenant_id) if event.tenant_id else None)
        event.fanned_out_at = now
        for endpoint in endpoints:
            # What happened before an endpoint was made is none of its business.
            if endpoint.wants(event.type) and event.happened_at >= endpoint.created_at:
                await queue(session, endpoint, event, at=now)
    return len(events)


def body_of(event: WebhookEvent, slug: str | None) -> str:
    """The payload: `type`, `timestamp`, `data`. Small, since a receiver that wants more asks the API."""
    tenant = {"id": str(event.tenant_id), "slug": slug} if event.tenant_id is not None else None
    content = {"type": event.type, "timestamp": event.happened_at.isoformat(), "data": {"tenant": tenant, **event.details}}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


async def queue(
    session: AsyncSession, endpoint: WebhookEndpoint, event: WebhookEvent, *, at: datetime, redelivery_of: UUID | None = None
) -> WebhookDelivery:
    """Put an event at the end of an endpoint's queue; skipped at once where the endpoint is disabled."""
    delivery = WebhookDelivery(endpoint_id=endpoint.id, event_id=event.id, created_at=at, log=[], redelivery_of=redelivery_of)
    if endpoint.state is EndpointState.DISABLED:
        delivery.state, delivery.reason, delivery.finished_at = DeliveryState.SKIPPED, "The webhook is disabled.", at
    session.add(delivery)
    # One row after the other: their numbers are the order in which they are sent.
    await session.flush()
    return delivery
