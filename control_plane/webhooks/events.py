"""The events there are, as data: which entries of the audit are told to other systems, and which of their details.

What is not listed stays inside. A receiver gets names and ids, and asks the API for the rest with its own rights.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.backups.events import EVENTS as BACKUPS
from control_plane.campaigns.events import EVENTS as CAMPAIGNS
from control_plane.exit.events import EVENTS as EXIT
from control_plane.law.events import EVENTS as LAW
from control_plane.webhooks.models import WebhookEvent
from control_plane.webhooks.types import EventType

TEST: Final = EventType("webhook.test", "Somebody asked for a test of this endpoint.")
_ALL: Final = (
    EventType("tenant.created", "A tenant was ordered; its operation sets it up.", ("modules",)),
    EventType("tenant.modules_changed", "Other modules were chosen for a tenant; its operation brings them.", ("modules",)),
    EventType("tenant.drift_found", "A runtime does not run what is desired; the platform mends it.", ("reason",)),
    EventType("tenant.recovered", "A degraded tenant runs what is desired again."),
    EventType("standing.announced", "Nothing was paid: what follows, and when, was announced to the owner.", ("rung", "on")),
    EventType("standing.taken", "Nothing was paid: the announced step was taken.", ("before", "after", "why")),
    EventType("standing.settled", "Payments are in order again.", ("before",)),
    EventType("tenant.delete_requested", "A tenant is to be deleted."),
    EventType("operation.retried", "A failed operation was taken up again.", ("operation",)),
    EventType("operation.succeeded", "An operation is done.", ("operation", "kind")),
    EventType("operation.failed", "An operation gave up; the reason says what to do.", ("operation", "kind", "reason")),
    EventType("operation.rolled_back", "An operation failed and was taken back, data included.", ("operation", "kind", "reason")),
    *CAMPAIGNS,
    *BACKUPS,
    *EXIT,
    *LAW,
    EventType("support.requested", "An operator asks a clinic to be let in.", ("request", "minutes", "by")),
    EventType("support.accepted", "A clinic let support in.", ("request", "decided_by")),
    EventType("support.declined", "A clinic did not let support in.", ("request", "decided_by")),
    EventType("support.revoked", "A clinic ended support's access.", ("request", "reads")),
    EventType("support.closed", "The platform ended support's access, or took its request back.", ("request", "reads")),
    EventType("support.ended", "The time of support's access was over.", ("request", "reads")),
    EventType("billing.agreed", "A tenant agreed on a plan.", ("plan", "tariff", "currency")),
    EventType("billing.changed", "A tenant confirmed a change of its plan or modules.", ("plan", "monthly", "currency")),
    EventType("billing.status_changed", "A subscription stands otherwise at its provider.", ("before", "after")),
    EventType("billing.invoice_paid", "An invoice was paid.", ("invoice", "number", "total", "currency")),
    EventType("billing.payment_failed", "An invoice could not be collected.", ("invoice", "number", "due", "currency")),
    EventType("billing.refunded", "Some of a payment was given back.", ("invoice", "number", "amount", "currency")),
    EventType("billing.disputed", "A payment is disputed at the bank.", ("invoice", "number", "amount", "currency")),
    TEST,
)
"""A concept's own are in its `events.py`, one tuple a line here."""
EVENTS: Final[Mapping[str, EventType]] = {event.name: event for event in _ALL}


def publish(session: AsyncSession, action: str, *, at: datetime, tenant_id: UUID | None, details: Mapping[str, Any]) -> None:
    """Write the event of an audited deed into its transaction; nothing for a deed that is nobody else's business."""
    event = EVENTS.get(action)
    if event is not None:
        told = {name: details[name] for name in event.members if name in details}
        session.add(WebhookEvent(type=event.name, tenant_id=tenant_id, details=told, happened_at=at))
