"""Sending queues: one worker at a time per endpoint, its oldest pending delivery first, and nothing locked while a receiver is spoken to.

A receiver that is away makes its own queue wait, longer each time, and no other's. An event it refuses again and again is left behind;
a receiver that refuses everything is disabled.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.audit import service as audit
from control_plane.mail import outbox
from control_plane.operations.steps.base import Tools
from control_plane.platform import Platform
from control_plane.webhooks.fanning import fan_out
from control_plane.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from control_plane.webhooks.secrets import signing_keys
from control_plane.webhooks.sending import Answer
from control_plane.webhooks.signing import signed_headers
from control_plane.webhooks.states import DeliveryEvent, DeliveryState, EndpointEvent, EndpointState

PAUSES: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 12 * 3600, 12 * 3600)
)
"""How long an endpoint is left alone after so many failures in a row."""
ATTEMPTS: Final = 8
"""How often one event is tried before the queue goes on without it."""
DISABLE_AFTER: Final = len(PAUSES) + 1
"""Failures in a row, over about two days."""
AT_ONCE: Final = 16
IN_A_ROW: Final = 50
LEASED_FOR: Final = timedelta(minutes=10)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """An endpoint whose queue is ours until the lease ends."""

    endpoint_id: UUID
    fence: int


@dataclass(frozen=True, slots=True)
class Message:
    delivery_id: UUID
    url: str
    headers: dict[str, str]
    body: str


async def run(tools: Tools) -> None:
    """The pass."""
    await deliver(tools.platform)


async def deliver(platform: Platform) -> None:
    """Queue what happened and send what is due. Any number of workers may."""
    await fan_out(platform)
    await asyncio.gather(*(_work_off(platform, held) for held in await _claim(platform)))


async def _claim(platform: Platform) -> list[Held]:
    now = platform.clock.now()
    pending = exists().where(WebhookDelivery.endpoint_id == WebhookEndpoint.id, WebhookDelivery.state == DeliveryState.PENDING)
    free = WebhookEndpoint.leased_until.is_(None) | (WebhookEndpoint.leased_until < now)
    due = select(WebhookEndpoint).where(WebhookEndpoint.state == EndpointState.ENABLED, WebhookEndpoint.due_at <= now, free, pending)
    async with platform.database.transaction() as session:
        claimed = []
        for endpoint in await session.scalars(due.order_by(WebhookEndpoint.due_at).limit(AT_ONCE).with_for_update(skip_locked=True)):
            endpoint.fence, endpoint.leased_until = endpoint.fence + 1, now + LEASED_FOR
            claimed.append(Held(endpoint.id, endpoint.fence))
    return claimed


async def _work_off(platform: Platform, held: Held) -> None:
    """Send in order until the queue is empty or an attempt fails; then give the endpoint back."""
    for _ in range(IN_A_ROW):
        message = await _next(platform, held)
        if message is None:
            break
        began = asyncio.get_running_loop().time()
        answer = await platform.sender.send(message.url, message.headers, message.body, at=platform.clock.now())
        milliseconds = round((asyncio.get_running_loop().time() - began) * 1000)
        if not await _record(platform, held, message.delivery_id, answer, milliseconds):
            break
    ours = update(WebhookEndpoint).where(WebhookEndpoint.id == held.endpoint_id, WebhookEndpoint.fence == held.fence)
    async with platform.database.transaction() as session:
        await session.execute(ours.values(leased_until=None))


async def _held(session: AsyncSession, held: Held) -> WebhookEndpoint | None:
    """The endpoint under lock, where it is still ours and enabled."""
    endpoint = await session.get(WebhookEndpoint, held.endpoint_id, with_for_update=True)
    ours = endpoint is not None and endpoint.fence == held.fence and endpoint.state is EndpointState.ENABLED
    return endpoint if ours else None


async def _next(platform: Platform, held: Held) -> Message | None:
    now = platform.clock.now()
    async with platform.database.transaction() as session:
        endpoint = await _held(session, held)
        if endpoint is None:
            return None
        query = select(WebhookDelivery, WebhookEvent).join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        pending = query.where(WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.state == DeliveryState.PENDING)
        row = (await session.execute(pending.order_by(WebhookDelivery.number).limit(1))).first()
        if row is None:
            return None
        delivery, event = row
        assert event.body is not None  # held by a constraint
        keys = signing_keys(platform.vault, endpoint, at=now)
        return Message(delivery.id, endpoint.url, signed_headers(event.message_id, now, event.body, keys), event.body)


async def _record(platform: Platform, held: Held, delivery_id: UUID, answer: Answer, milliseconds: int) -> bool:
    """Write down what came of an attempt; whether the queue goes on at once."""
    now = platform.clock.now()
    async with platform.database.transaction() as session:
        endpoint = await _held(session, held)
        delivery = await session.get(WebhookDelivery, delivery_id, with_for_update=True)
        if endpoint is None or delivery is None or delivery.state is not DeliveryState.PENDING:
            return False
        delivery.attempts += 1
        entry = {"at": now.isoformat(), "status": answer.status, "reason": answer.reason, "milliseconds": milliseconds}
        delivery.log = [*delivery.log, entry]
        if answer.taken:
            delivery.move(DeliveryEvent.TAKEN, at=now)
            endpoint.failures, endpoint.succeeded_at, endpoint.due_at = 0, now, now
            return True
        endpoint.failures, endpoint.failed_at = endpoint.failures + 1, now
        pause = PAUSES[min(endpoint.failures, len(PAUSES)) - 1]
        endpoint.due_at = now + max(pause, answer.retry_after or pause)
        delivery.reason = answer.reason
        if delivery.attempts >= ATTEMPTS:
            delivery.move(DeliveryEvent.GAVE_UP, at=now, reason=answer.reason)
        if answer.gone:
            await disable(session, endpoint, "It answered 410: the receiver asks not to be called again.", at=now)
        elif endpoint.failures >= DISABLE_AFTER:
            await disable(session, endpoint, f"{endpoint.failures} attempts in a row failed, the last so: {answer.reason}", at=now)
        return False


async def disable(session: AsyncSession, endpoint: WebhookEndpoint, reason: str, *, at: datetime) -> None:
    """Stop sending to an endpoint that fails, skip what waits, and tell its contact."""
    endpoint.move(EndpointEvent.DISABLED, reason=reason)
    await skip_pending(session, endpoint, at=at)
    audit.record(session, WORKER, "webhook.disabled", at=at, webhook=str(endpoint.id), reason=reason)
    log.warning("the webhook %s was disabled: %s", endpoint.id, reason)
    if endpoint.contact is not None:
        await outbox.send(
            session,
            key=f"webhook-disabled-{endpoint.id}-{endpoint.fence}",
            to=endpoint.contact,
            template="webhook_disabled",
            locale=endpoint.locale,
            at=at,
            # What follows the question mark may be somebody's password.
            url=endpoint.url.partition("?")[0],
            reason=reason,
            webhook=str(endpoint.id),
        )


async def skip_pending(session: AsyncSession, endpoint: WebhookEndpoint, *, at: datetime) -> None:
    waiting = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.state == DeliveryState.PENDING)
    for delivery in await session.scalars(waiting.with_for_update()):
        delivery.move(DeliveryEvent.ENDPOINT_DISABLED, at=at, reason="The webhook was disabled.")
