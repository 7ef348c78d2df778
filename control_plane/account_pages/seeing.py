"""What the owner's first page says: where the clinic stands with paying, in plain words, and what it costs. The words are chosen here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.billing import agreements
from control_plane.billing.models import Agreement, BilledInvoice
from control_plane.billing.service import usage_of
from control_plane.billing.states import AgreementStatus, Begins, ProviderName
from control_plane.plans.tariff import Limits, Plan, Quote
from control_plane.resellers.models import TenantTransfer
from control_plane.resellers.states import TransferState
from control_plane.revisions import service as revisions
from control_plane.revisions.document import parse
from control_plane.signup.terms import limits_in_order
from control_plane.tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class Paying:
    """One state of paying: `key` names the sentences, `tone` how they look: good, notice or urgent."""

    key: str
    tone: str
    day: datetime | None = None
    invoice: BilledInvoice | None = None
    """The one to be paid."""


def paying(agreement: Agreement | None, invoices: list[BilledInvoice]) -> Paying:
    """Pure. What is owed is said before anything else; a trial without a card is never called unpaid."""
    if agreement is None:
        return Paying("none", "good")
    owed = min((one for one in invoices if one.status.owed and one.due > 0), key=lambda one: one.created_at, default=None)
    if owed is not None and agreement.provider is ProviderName.MANUAL and agreement.overdue_since is not None:
        return Paying("late", "urgent", owed.due_at, owed)
    if owed is not None and agreement.overdue_since is not None:
        return Paying("overdue", "urgent", owed.next_attempt_at, owed)
    if owed is not None and agreement.provider is ProviderName.MANUAL:
        return Paying("transfer", "notice", owed.due_at, owed)
    match agreement.status:
        case AgreementStatus.NEW:
            return Paying("new_card" if agreement.begins is Begins.CHECKOUT else "new", "notice")
        case AgreementStatus.INCOMPLETE:
            return Paying("incomplete", "urgent", None, owed)
        case AgreementStatus.PAUSED:
            return Paying("paused", "urgent", agreement.trial_ends)
        case AgreementStatus.CANCELED | AgreementStatus.EXPIRED:
            return Paying("canceled", "urgent", agreement.period_ends)
    # What somebody asked for counts at once, though the provider hears of it in a moment.
    if agreement.cancels_at_period_end if agreement.cancel_asked is None else agreement.cancel_asked:
        return Paying("ends", "notice", agreement.period_ends)
    if agreement.status is AgreementStatus.TRIALING:
        if agreement.has_method or agreement.provider is ProviderName.MANUAL:
            return Paying("trial", "good", agreement.trial_ends)
        return Paying("trial_no_card", "notice", agreement.trial_ends)
    return Paying("active", "good", agreement.period_ends)


@dataclass(frozen=True, slots=True)
class Costs:
    plan: Plan
    quote: Quote

    @property
    def total(self) -> Decimal:
        return self.quote.total


@dataclass(frozen=True, slots=True)
class Used:
    """How much of one of the plan's limits is in use; `limit` None: there is none."""

    name: str
    used: int
    limit: int | None

    @property
    def over(self) -> bool:
        return self.limit is not None and self.used > self.limit


def usage(limits: Limits, present: Mapping[str, int]) -> list[Used]:
    """What the runtime said it uses, in the order people read it. Pure."""
    return [Used(name, present[name], limit) for name, limit in limits_in_order(limits.model_dump()) if name in present]


async def glance(session: AsyncSession, tenant: Tenant, actor: Actor) -> dict[str, Any]:
    """The values of the first page."""
    agreement = await agreements.of(session, tenant.id)
    invoices = await agreements.invoices_of(session, tenant.id)
    costs, used = None, list[Used]()
    if agreement is not None:
        content = parse((await revisions.desired(session, tenant)).document)
        tariff = await agreements.tariff_of(session, agreement)
        costs = Costs(tariff.plan(agreement.plan), await agreements.quote_of(session, agreement, content.modules))
        used = usage(costs.plan.limits, await usage_of(session, tenant))
    state = paying(agreement, invoices)
    alive = agreement is not None and not agreement.status.over
    waits = select(TenantTransfer).where(TenantTransfer.tenant_id == tenant.id, TenantTransfer.state == TransferState.REQUESTED)
    return {
        "agreement": agreement,
        "costs": costs,
        "usage": used,
        "paying": state,
        "invoices": invoices,
        "may_end": alive and actor.may("billing:write"),
        "may_agree": not alive and tenant.somebodys_own and actor.may("billing:write"),
        "transfer": await session.scalar(waits),
    }
