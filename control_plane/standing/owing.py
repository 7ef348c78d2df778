"""What is not in order with a tenant's payments, by its agreement as the provider was read last. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from control_plane.billing.models import Agreement
from control_plane.billing.states import AgreementStatus, Begins
from control_plane.standing.states import Why

CARD_WITHIN: Final = timedelta(days=3)
"""After agreeing to subscribe on the provider's page."""


@dataclass(frozen=True, slots=True)
class Owed:
    why: Why
    since: datetime


def card_due(agreement: Agreement) -> datetime | None:
    """Until when somebody who is to subscribe on the provider's page does; None for who has, or need not."""
    if agreement.status is not AgreementStatus.NEW or agreement.begins is not Begins.CHECKOUT:
        return None
    return max(agreement.trial_ends or agreement.agreed_at, agreement.agreed_at + CARD_WITHIN)


def judge(agreement: Agreement, now: datetime) -> Owed | None:
    """An invoice that is owed comes first. A trial that is over, an agreement that ended, or one that nobody ever subscribed to owes
    nothing, and still is not in order.
    """
    if agreement.overdue_since is not None:
        return Owed(Why.UNPAID, agreement.overdue_since)
    if agreement.status is AgreementStatus.PAUSED:
        return Owed(Why.TRIAL_OVER, min(agreement.trial_ends or now, now))
    if agreement.status.over:
        return Owed(Why.ENDED, min(agreement.period_ends or now, now))
    if (due := card_due(agreement)) is not None and due <= now:
        return Owed(Why.TRIAL_OVER if agreement.trial_ends else Why.ENDED, due)
    return None
