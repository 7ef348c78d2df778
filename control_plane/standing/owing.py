"""What is not in order with a tenant's payments, by its agreement as the provider was read last. Pure."""

from dataclasses import dataclass
from datetime import datetime

from control_plane.billing.models import Agreement
from control_plane.billing.states import AgreementStatus
from control_plane.standing.states import Why


@dataclass(frozen=True, slots=True)
class Owed:
    why: Why
    since: datetime


def judge(agreement: Agreement, now: datetime) -> Owed | None:
    """An invoice that is owed comes first; a trial that is over, or an agreement that ended, owes nothing and still is not in order."""
    if agreement.overdue_since is not None:
        return Owed(Why.UNPAID, agreement.overdue_since)
    if agreement.status is AgreementStatus.PAUSED:
        return Owed(Why.TRIAL_OVER, min(agreement.trial_ends or now, now))
    if agreement.status.over:
        return Owed(Why.ENDED, min(agreement.period_ends or now, now))
    return None
