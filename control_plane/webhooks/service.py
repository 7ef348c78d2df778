"""Endpoints: made, changed, switched on and off; and sending again what was not taken. Each is a part of the caller's transaction."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.platform import Platform
from control_plane.webhooks import secrets
from control_plane.webhooks.delivery import skip_pending
from control_plane.webhooks.errors import DeliveryPending, EndpointDisabled, UnknownDelivery, UnknownEndpoint, UnknownEvents
from control_plane.webhooks.events import EVENTS, TEST
from control_plane.webhooks.fanning import body_of, queue
from control_plane.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from control_plane.webhooks.schemas import NewWebhook, WebhookChange
from control_plane.webhooks.states import BY_HAND, DeliveryState, EndpointEvent, EndpointState

KEPT_FOR: Final = timedelta(days=30)


async def create(session: AsyncSession, platform: Platform, new: NewWebhook, *, actor: Actor) -> tuple[WebhookEndpoint, str]:
    """An endpoint and its secret, which is shown this once. Raises UnknownEvents, AddressRefused."""
    now = platform.clock.now()
    _check_events(new.events)
    await platform.sender.check(new.url)
    endpoint = WebhookEndpoint(
        id=uuid4(),
        url=new.url,
        description=new.description,
        events=sorted(set(new.events)),
        contact=new.contact,
        locale=new.language,
        due_at=now,
        created_at=now,
        created_by=actor.label,
    )
    secret = secrets.renew(platform.vault, endpoint)
    session.add(endpoint)
    audit.record(session, actor, "webhook.created", at=now, webhook=str(endpoint.id), url=_shown(new.url), events=endpoint.events)
    await session.flush()
    return endpoint, secret


async def get(session: AsyncSession, endpoint_id: UUID, *, lock: bool = False) -> WebhookEndpoint:
    """Raises UnknownEndpoint."""
    endpoint = await session.get(WebhookEndpoint, endpoint_id, with_for_update=lock or None)
    if endpoint is None:
        raise UnknownEndpoint(endpoint_id)
    return endpoint


async def change(session: AsyncSession, platform: Platform, endpoint: WebhookEndpoint, wanted: WebhookChange, *, actor: Actor) -> None:
    """Raises UnknownEvents, AddressRefused."""
    given = wanted.model_dump(exclude_unset=True)
    if wanted.events is not None:
        _check_events(wanted.events)
        endpoint.events = sorted(set(wanted.events))
    if wanted.url is not None:
        await platform.sender.check(wanted.url)
        endpoint.url = wanted.url
    endpoint.description = wanted.description if wanted.description is not None else endpoint.description
    endpoint.locale = wanted.language or endpoint.locale
    if "contact" in given:
        endpoint.contact = wanted.contact
    audit.record(session, actor, "webhook.changed", at=platform.clock.now(), webhook=str(endpoint.id), changed=sorted(given))
    await session.flush()


async def switch(session: AsyncSession, platform: Platform, endpoint: WebhookEndpoint, *, on: bool, actor: Actor) -> None:
    """Enable or disable by a person's wish; nothing where it is so already."""
    now = platform.clock.now()
    if (endpoint.state is EndpointState.ENABLED) == on:
        return
    if on:
        endpoint.move(EndpointEvent.ENABLED)
        endpoint.failures, endpoint.due_at = 0, now
    else:
        endpoint.move(EndpointEvent.DISABLED, reason=f"{BY_HAND}{actor.label}.")
        await skip_pending(session, endpoint, at=now)
    audit.record(session, actor, "webhook.enabled" if on else "webhook.switched_off", at=now, webhook=str(endpoint.id))
    await session.flush()


async def remove(session: AsyncSession, platform: Platform, endpoint: WebhookEndpoint, *, actor: Actor) -> None:
    """Delete an endpoint with its secret and its deliveries."""
    audit.record(session, actor, "webhook.removed", at=platform.clock.now(), webhook=str(endpoint.id), url=_shown(endpoint.url))
    await session.delete(endpoint)
    await session.flush()


async def rotate_secret(session: AsyncSession, platform: Platform, endpoint: WebhookEndpoint, *, actor: Actor) -> str:
    """A new secret, shown this once. For a day both sign, so that the receiver changes over without missing anything."""
    now = platform.clock.now()
    secret = secrets.rotate(platform.vault, endpoint, at=now)
    audit.record(session, actor, "webhook.secret_rotated", at=now, webhook=str(endpoint.id))
    await session.flush()
    return secret


async def test(
    session: AsyncSession, platform: Platform, endpoint: WebhookEndpoint, *, actor: Actor
) -> tuple[WebhookDelivery, WebhookEvent]:
    """Queue an event that says nothing but that it is a test. Raises EndpointDisabled."""
    now = platform.clock.now()
    _check_enabled(endpoint)
    event = WebhookEvent(type=TEST.name, details={}, happened_at=now, fanned_out_at=now)
    event.body = body_of(event, None)
    session.add(event)
    await session.flush()
    audit.record(session, actor, "webhook.tested", at=now, webhook=str(endpoint.id))
    return await queue(session, endpoint, event, at=now), event


async def delivery(session: AsyncSession, endpoint: WebhookEndpoint, delivery_id: UUID) -> tuple[WebhookDelivery, WebhookEvent]:
    """Raises UnknownDelivery, also for one of another endpoint."""
    found = await session.get(WebhookDelivery, delivery_id)
    if found is None or found.endpoint_id != endpoint.id:
        raise UnknownDelivery(delivery_id)
    return found, await session.get_one(WebhookEvent, found.event_id)


async def redeliver(
    session: AsyncSession, platform: Platform, endpoint: WebhookEndpoint, delivery_id: UUID, *, actor: Actor
) -> tuple[WebhookDelivery, WebhookEvent]:
    """Queue an event once more, also one that was taken: its `webhook-id` stays.

    Raises UnknownDelivery, DeliveryPending, EndpointDisabled.
    """
    now = platform.clock.now()
    _check_enabled(endpoint)
    before, event = await delivery(session, endpoint, delivery_id)
    if before.state is DeliveryState.PENDING:
        raise DeliveryPending(delivery_id)
    audit.record(session, actor, "webhook.redelivered", at=now, webhook=str(endpoint.id), delivery=str(delivery_id))
    return await queue(session, endpoint, event, at=now, redelivery_of=before.id), event


async def recover(session: AsyncSession, platform: Platform, endpoint: WebhookEndpoint, *, since: datetime | None, actor: Actor) -> int:
    """Queue every event that was never taken and does not wait already, the oldest first; how many. Raises EndpointDisabled."""
    now = platform.clock.now()
    _check_enabled(endpoint)
    ours = select(WebhookDelivery.event_id).where(WebhookDelivery.endpoint_id == endpoint.id)
    query = select(WebhookEvent).where(
        WebhookEvent.id.in_(ours.where(WebhookDelivery.state.in_((DeliveryState.FAILED, DeliveryState.SKIPPED)))),
        WebhookEvent.id.not_in(ours.where(WebhookDelivery.state.in_((DeliveryState.PENDING, DeliveryState.DELIVERED)))),
    )
    if since is not None:
        query = query.where(WebhookEvent.happened_at >= since)
    events = list(await session.scalars(query.order_by(WebhookEvent.number)))
    for event in events:
        await queue(session, endpoint, event, at=now)
    audit.record(session, actor, "webhook.recovered", at=now, webhook=str(endpoint.id), queued=len(events))
    await session.flush()
    return len(events)


async def forget_old(session: AsyncSession, *, at: datetime) -> None:
    """Drop events of long ago with their deliveries, but for those that wait still."""
    waits = select(WebhookDelivery.event_id).where(WebhookDelivery.state == DeliveryState.PENDING)
    over = delete(WebhookEvent).where(WebhookEvent.happened_at < at - KEPT_FOR, WebhookEvent.fanned_out_at.is_not(None))
    await session.execute(over.where(WebhookEvent.id.not_in(waits)))


async def counts(session: AsyncSession) -> dict[str, int]:
    """How many deliveries wait and how many endpoints are disabled, for metrics."""
    waiting = select(func.count()).select_from(WebhookDelivery).where(WebhookDelivery.state == DeliveryState.PENDING)
    off = select(func.count()).select_from(WebhookEndpoint).where(WebhookEndpoint.state == EndpointState.DISABLED)
    return {"pending": await session.scalar(waiting) or 0, "disabled": await session.scalar(off) or 0}


def _check_events(names: list[str]) -> None:
    unknown = sorted(set(names) - EVENTS.keys())
    if unknown:
        raise UnknownEvents(unknown)


def _check_enabled(endpoint: WebhookEndpoint) -> None:
    if endpoint.state is EndpointState.DISABLED:
        raise EndpointDisabled(endpoint.id, endpoint.reason)


def _shown(url: str) -> str:
    """An address without what may be a password in it."""
    return url.partition("?")[0]
