"""/v1/webhooks: who is told of what, and what became of it."""

import json
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import select

from control_plane import etag
from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform, show_once
from control_plane.pagination import WantedPage, page
from control_plane.webhooks import service
from control_plane.webhooks.events import EVENTS
from control_plane.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from control_plane.webhooks.schemas import (
    DeliveryDetail,
    DeliveryList,
    DeliveryOut,
    EventTypeList,
    EventTypeOut,
    NewWebhook,
    Queued,
    Recovery,
    WebhookChange,
    WebhookList,
    WebhookOut,
    WebhookWithSecret,
)
from control_plane.webhooks.states import DeliveryState, EndpointState

router = APIRouter(prefix="/webhooks", tags=["webhooks"], route_class=PlatformRoute)
PLATFORMS_OWN: Final = frozenset({"failures", "due_at", "fence", "leased_until", "succeeded_at", "failed_at", "number"})
"""Columns that change without anybody having changed the webhook."""


async def known_webhook(webhook_id: UUID, session: Session, actor: CurrentActor) -> WebhookEndpoint:
    return await service.get(session, webhook_id)


async def locked_webhook(webhook_id: UUID, session: Session, actor: CurrentActor, if_match: etag.IfMatch = None) -> WebhookEndpoint:
    endpoint = await service.get(session, webhook_id, lock=True)
    etag.check(if_match, _tag(endpoint), what="The webhook")
    return endpoint


Known = Annotated[WebhookEndpoint, Depends(known_webhook)]
Locked = Annotated[WebhookEndpoint, Depends(locked_webhook)]


def _tag(endpoint: WebhookEndpoint) -> str:
    return etag.tag_of(endpoint, without=PLATFORMS_OWN | {"sealed_secret", "sealed_previous"})


@router.get("/events", dependencies=[Requires("webhooks:read")])
async def list_event_types(actor: CurrentActor) -> EventTypeList:
    """The events there are, and what each tells beside the tenant."""
    return EventTypeList(items=[EventTypeOut.of(event) for event in EVENTS.values()])


@router.post("", status_code=201, dependencies=[Requires("webhooks:write")])
async def create_webhook(
    body: NewWebhook, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform, response: Response
) -> WebhookWithSecret:
    """Have events sent to an address. The secret to verify them with is in this answer and in no other."""
    show_once(request, "secret")
    endpoint, secret = await service.create(session, platform, body, actor=actor)
    etag.show(response, _tag(endpoint))
    return WebhookWithSecret.showing(endpoint, secret)


@router.get("", dependencies=[Requires("webhooks:read")])
async def list_webhooks(session: Session, actor: CurrentActor, wanted: WantedPage, state: EndpointState | None = None) -> WebhookList:
    query = select(WebhookEndpoint)
    if state is not None:
        query = query.where(WebhookEndpoint.state == state)
    found = await page(session, query, WebhookEndpoint.number, wanted=wanted)
    return WebhookList(items=[WebhookOut.of(endpoint) for endpoint in found.items], next=found.next)


@router.get("/{webhook_id}", dependencies=[Requires("webhooks:read")])
async def get_webhook(endpoint: Known, response: Response) -> WebhookOut:
    etag.show(response, _tag(endpoint))
    return WebhookOut.of(endpoint)


@router.patch("/{webhook_id}", dependencies=[Requires("webhooks:write")])
async def change_webhook(
    wanted: WebhookChange, endpoint: Locked, session: Session, actor: CurrentActor, platform: ThisPlatform, response: Response
) -> WebhookOut:
    """Change what is given; the rest stays."""
    await service.change(session, platform, endpoint, wanted, actor=actor)
    etag.show(response, _tag(endpoint))
    return WebhookOut.of(endpoint)


@router.delete("/{webhook_id}", status_code=204, dependencies=[Requires("webhooks:write")])
async def remove_webhook(endpoint: Locked, session: Session, actor: CurrentActor, platform: ThisPlatform) -> None:
    """Delete a webhook with its secret and its deliveries."""
    await service.remove(session, platform, endpoint, actor=actor)


@router.post("/{webhook_id}/enable", dependencies=[Requires("webhooks:write")])
async def enable_webhook(endpoint: Locked, session: Session, actor: CurrentActor, platform: ThisPlatform) -> WebhookOut:
    """Send again from now on. What was skipped meanwhile is sent by `recover`."""
    await service.switch(session, platform, endpoint, on=True, actor=actor)
    return WebhookOut.of(endpoint)


@router.post("/{webhook_id}/disable", dependencies=[Requires("webhooks:write")])
async def disable_webhook(endpoint: Locked, session: Session, actor: CurrentActor, platform: ThisPlatform) -> WebhookOut:
    """Send nothing until it is enabled; what happens meanwhile is kept for 30 days."""
    await service.switch(session, platform, endpoint, on=False, actor=actor)
    return WebhookOut.of(endpoint)


@router.post("/{webhook_id}/rotate-secret", dependencies=[Requires("webhooks:write")])
async def rotate_webhook_secret(
    request: Request, endpoint: Locked, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> WebhookWithSecret:
    """A new secret, in this answer and in no other. For 24 hours the one before signs, too."""
    show_once(request, "secret")
    secret = await service.rotate_secret(session, platform, endpoint, actor=actor)
    return WebhookWithSecret.showing(endpoint, secret)


@router.post("/{webhook_id}/test", status_code=202, dependencies=[Requires("webhooks:write")])
async def test_webhook(endpoint: Locked, session: Session, actor: CurrentActor, platform: ThisPlatform) -> DeliveryOut:
    """Queue an event `webhook.test`; look at the delivery for what became of it."""
    return DeliveryOut.of(*await service.test(session, platform, endpoint, actor=actor))


@router.post("/{webhook_id}/recover", status_code=202, dependencies=[Requires("webhooks:write")])
async def recover_webhook(wanted: Recovery, endpoint: Locked, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Queued:
    """Queue every event that was given up or skipped, the oldest first."""
    return Queued(queued=await service.recover(session, platform, endpoint, since=wanted.since, actor=actor))


@router.get("/{webhook_id}/deliveries", dependencies=[Requires("webhooks:read")])
async def list_deliveries(
    endpoint: Known, session: Session, wanted: WantedPage, state: DeliveryState | None = None, event: str | None = None
) -> DeliveryList:
    """Deliveries, the last queued first."""
    query = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint.id)
    if state is not None:
        query = query.where(WebhookDelivery.state == state)
    if event is not None:
        query = query.where(WebhookDelivery.event_id.in_(select(WebhookEvent.id).where(WebhookEvent.type == event)))
    found = await page(session, query, WebhookDelivery.number, wanted=wanted, descending=True)
    ids = {delivery.event_id for delivery in found.items}
    events = {row.id: row for row in await session.scalars(select(WebhookEvent).where(WebhookEvent.id.in_(ids)))}
    return DeliveryList(items=[DeliveryOut.of(delivery, events[delivery.event_id]) for delivery in found.items], next=found.next)


@router.get("/{webhook_id}/deliveries/{delivery_id}", dependencies=[Requires("webhooks:read")])
async def get_delivery(delivery_id: UUID, endpoint: Known, session: Session) -> DeliveryDetail:
    """A delivery with its attempts and what is sent."""
    found, event = await service.delivery(session, endpoint, delivery_id)
    return DeliveryDetail(payload=json.loads(event.body or "null"), **DeliveryOut.of(found, event).model_dump())


@router.post("/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202, dependencies=[Requires("webhooks:write")])
async def redeliver(delivery_id: UUID, endpoint: Locked, session: Session, actor: CurrentActor, platform: ThisPlatform) -> DeliveryOut:
    """Queue the event once more, at the end."""
    return DeliveryOut.of(*await service.redeliver(session, platform, endpoint, delivery_id, actor=actor))
