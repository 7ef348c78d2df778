"""What people do about a tenant's bill: look at a change's price and confirm exactly that, pay, end, come back.

A provider is asked before any row is locked; whatever is to be changed at it is written down, and the operation `bill` does it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.billing import agreements
from control_plane.billing.accounts import guard
from control_plane.billing.errors import (
    NothingOwed,
    NothingToPayHere,
    PreviewOutdated,
    RefundTooMuch,
    SubscriptionOver,
    UnknownInvoice,
)
from control_plane.billing.models import Agreement, BilledInvoice
from control_plane.billing.states import AgreementStatus, PayerKind, ProviderName
from control_plane.billing.taking_over import items_json, items_of, payer_of
from control_plane.operations.models import Operation
from control_plane.payments.manual.provider import ManualProvider
from control_plane.payments.provider import trial_on_page
from control_plane.payments.values import InvoiceLine, Item, Page
from control_plane.plans import service as plans
from control_plane.plans.tariff import ZERO, Quote, Tariff
from control_plane.platform import Platform
from control_plane.revisions import service as revisions
from control_plane.revisions.document import RevisionContent, parse
from control_plane.tenants import service as tenants
from control_plane.tenants.models import ObservedTenant, Tenant
from control_plane.tenants.schemas import PlanOut
from dentalpin_kit.canonical import digest

GOOD_FOR: Final = timedelta(hours=1)
"""How long a preview can be confirmed."""


@dataclass(frozen=True)
class Shown:
    """A change before it is confirmed: what is paid a month before and after, what is charged at once, and what it does to the clinic."""

    at: datetime
    confirmation: str
    before: Quote
    after: Quote
    now: Decimal
    lines: tuple[InvoiceLine, ...]
    trial_ends: datetime | None
    """Until then nothing is charged."""
    effects: PlanOut | None


@dataclass(frozen=True)
class Reckoned:
    tariff: Tariff
    before: Quote
    after: Quote
    items: tuple[Item, ...]
    effects: PlanOut | None

    @property
    def charged(self) -> dict[str, Decimal]:
        return {item.key: item.amount for item in self.items}

    def confirmation(self, agreement: Agreement, at: datetime) -> str:
        """What was shown, in short: confirming with it confirms exactly this."""
        lines = [[line.item, str(line.amount)] for line in self.after.lines]
        return digest(
            {
                "at": at.isoformat(),
                "tariff": self.tariff.id,
                "plan": self.after.plan,
                "lines": lines,
                "present": agreement.items,
                "subscription": agreement.subscription,
                "status": agreement.status,
            }
        )


async def preview(
    session: AsyncSession, platform: Platform, tenant: Tenant, *, plan: str | None = None, modules: Sequence[str] | None = None
) -> Shown:
    """What a change of plan, of modules or of both costs and does. Writes nothing.

    Raises NoAgreement, SubscriptionOver, UnknownPlan, PlanRetired, LimitExceeded, what planning modules raises and what the provider does.
    """
    row = await agreements.require(session, tenant)
    reckoned = await reckon(session, platform, tenant, row, plan, modules)
    # Whole seconds: that is how exact providers are.
    at = platform.clock.now().replace(microsecond=0)
    now, lines = ZERO, tuple[InvoiceLine, ...]()
    changes = items_json(reckoned.charged) != row.items
    if changes and row.subscription is not None and row.status not in (AgreementStatus.TRIALING, AgreementStatus.PAUSED):
        await guard(platform, row.provider)
        found = await platform.payments.get(row.provider).preview(row.subscription, reckoned.items, at=at)
        now, lines = found.now, found.lines
    trial = row.trial_ends if row.status in (AgreementStatus.TRIALING, AgreementStatus.NEW) else None
    confirmation, effects = reckoned.confirmation(row, at), reckoned.effects
    if effects is not None:
        known: dict[str, Any] = {"now": now, "lines": list(lines), "trial_ends": trial, "at": at, "confirmation": confirmation}
        after = {"plan": reckoned.after.plan, "tariff": reckoned.after.tariff, "after": reckoned.after.total}
        effects = effects.model_copy(update={"price": effects.price.model_copy(update={**known, **after})})
    return Shown(at, confirmation, reckoned.before, reckoned.after, now, lines, trial, effects)


async def change(
    session: AsyncSession,
    platform: Platform,
    tenant: Tenant,
    *,
    at: datetime,
    confirmation: str,
    actor: Actor,
    plan: str | None = None,
    modules: Sequence[str] | None = None,
) -> tuple[tenants.Started, Operation]:
    """Do what a preview showed, at its price. `tenant` is locked.

    The modules come first; what they cost is charged once they are there, from the moment of the preview on. Raises PreviewOutdated where
    anything is different now, and what `preview` raises but for the provider.
    """
    now = platform.clock.now()
    row = await agreements.require(session, tenant, lock=True)
    if not now - GOOD_FOR <= at <= now:
        raise PreviewOutdated("it is older than an hour.")
    if row.period_ends is not None and at < row.period_ends <= now:
        raise PreviewOutdated("a new month has begun.")
    reckoned = await reckon(session, platform, tenant, row, plan, modules)
    if reckoned.confirmation(row, at) != confirmation:
        raise PreviewOutdated("something changed since.")
    started = tenants.Started(tenant, None)
    if modules is not None:
        started = await tenants.change_modules(session, platform, tenant, frozenset(modules), actor=actor)
    audit.record(
        session,
        actor,
        "billing.changed",
        at=now,
        tenant_id=tenant.id,
        plan_before=row.plan,
        plan=reckoned.after.plan,
        tariff=reckoned.tariff.id,
        monthly=str(reckoned.after.total),
        currency=row.currency,
    )
    row.plan, row.tariff, row.prorate_at = reckoned.after.plan, reckoned.tariff.id, at
    # Charged by the revision that was just recorded: an older one's items are made again.
    row.generation = min(row.generation, tenant.generation - 1)
    return started, await agreements.begin(session, tenant, actor=actor, at=now)


async def reckon(
    session: AsyncSession, platform: Platform, tenant: Tenant, row: Agreement, plan: str | None, modules: Sequence[str] | None
) -> Reckoned:
    """What a change costs a month and does, without asking the provider. Raises what `preview` raises but for the provider."""
    if row.status.over:
        raise SubscriptionOver(tenant.slug)
    content = parse((await revisions.desired(session, tenant)).document)
    before = await agreements.quote_of(session, row, content.modules)
    after_content, effects = content, None
    if modules is not None:
        chosen = frozenset(modules)
        effects = await tenants.plan(session, platform, tenant, chosen)
        after_content = (await revisions.propose(session, platform, tenant, chosen, await revisions.standing_of(session, tenant))).content
    tariff = await agreements.tariff_of(session, row)
    wanted = plan or row.plan
    if wanted != row.plan:
        # Another plan is agreed by what is sold today; who keeps theirs keeps its prices.
        tariff = await plans.current(session, platform.clock.today())
        tariff.plan(wanted, new=True)
        tariff.refuse_too_small(wanted, await usage_of(session, tenant))
    after = await agreements.quote_of(session, row, after_content.modules, plan=wanted, tariff=tariff)
    return Reckoned(tariff, before, after, items_of(tariff, after, content.clinic.locale), effects)


async def usage_of(session: AsyncSession, tenant: Tenant) -> dict[str, int]:
    """What the tenant uses of its limits, as its runtime said last: {clinics, users, storage_gb}, as far as it says."""
    seen = await session.get(ObservedTenant, tenant.id)
    return in_use((seen.attestation if seen is not None else None) or {})


def in_use(attestation: Mapping[str, Any]) -> dict[str, int]:
    """By the names of a plan's limits, what an attestation says is in use. The runtime refuses what is more by the same figures."""
    usage = attestation.get("usage")
    said = {name: int(value) for name, value in (usage or {}).items() if isinstance(value, int)}
    if (stored := said.pop("storage_bytes", None)) is not None:
        # A gigabyte that was begun does not fit into one less.
        said["storage_gb"] = -(-stored // 1_000_000_000)
    return said


async def quote(session: AsyncSession, tenant: Tenant, row: Agreement) -> tuple[Quote, RevisionContent]:
    """What is paid a month for what the tenant is to run."""
    content = parse((await revisions.desired(session, tenant)).document)
    return await agreements.quote_of(session, row, content.modules), content


async def checkout(session: AsyncSession, platform: Platform, tenant: Tenant, *, back: str, actor: Actor) -> Page:
    """A page on which the person subscribes with a card; `back` is opened afterwards. The page before is closed: nobody pays twice.

    Asked for twice at once, it is one page. `tenant` is not locked. Raises NothingToPayHere where there is a subscription already or none
    is needed, SubscriptionOver where a plan is to be agreed anew first.
    """
    row = await agreements.require(session, tenant)
    if row.provider is not ProviderName.STRIPE:
        raise NothingToPayHere(tenant.slug, "it pays by bank transfer.")
    _refuse_others_card(tenant, row, actor)
    if row.status.over:
        raise SubscriptionOver(tenant.slug)
    if row.subscription is not None:
        raise NothingToPayHere(tenant.slug, "it has subscribed; cards are entered on the billing portal.")
    await guard(platform, row.provider)
    provider = platform.payments.get(row.provider)
    found, content = await quote(session, tenant, row)
    items = items_of(await agreements.tariff_of(session, row), found, content.clinic.locale)
    customer = await provider.ensure_customer(await payer_of(session, tenant, row, content), known=row.customer)
    if row.checkout is not None:
        await provider.expire_checkout(row.checkout)
    trial = trial_on_page(row.trial_ends, platform.clock.now())
    said = {"items": {item.key: str(item.amount) for item in items}, "trial": str(trial), "back": back, "before": row.checkout}
    key = f"checkout:{tenant.id}:{int(row.agreed_at.timestamp())}:{digest(said)[-16:]}"
    page = await provider.checkout(tenant.id, customer, items, row.currency, trial_ends=trial, back=back, key=key)
    row.customer, row.checkout = customer, page.id
    return page


async def portal(session: AsyncSession, platform: Platform, tenant: Tenant, *, back: str, actor: Actor) -> Page:
    """A page on which the payer changes the card and sees the invoices. Raises NothingToPayHere."""
    row = await agreements.require(session, tenant)
    _refuse_others_card(tenant, row, actor)
    if row.provider is not ProviderName.STRIPE or row.customer is None:
        raise NothingToPayHere(
            tenant.slug, "it pays by bank transfer." if row.provider is not ProviderName.STRIPE else "ask again in a moment."
        )
    await guard(platform, row.provider)
    return await platform.payments.get(row.provider).portal(row.customer, back)


def _refuse_others_card(tenant: Tenant, row: Agreement, actor: Actor) -> None:
    """A reseller's card pays for all its clinics, and the provider's pages show all their invoices: only its own people are sent there."""
    if row.payer is PayerKind.RESELLER and not actor.sees_all and actor.reseller_id != row.reseller_id:
        raise NothingToPayHere(tenant.slug, "its reseller pays for it.")


async def end(session: AsyncSession, platform: Platform, tenant: Tenant, *, reason: str, actor: Actor) -> Operation:
    """End the subscription with the period that is paid for. Nothing is deleted by it. `tenant` is locked."""
    return await _ask(session, platform, tenant, cancel=True, reason=reason, actor=actor)


async def keep(session: AsyncSession, platform: Platform, tenant: Tenant, *, actor: Actor) -> Operation:
    """Take back an end that has not come yet. `tenant` is locked."""
    return await _ask(session, platform, tenant, cancel=False, reason="", actor=actor)


async def _ask(session: AsyncSession, platform: Platform, tenant: Tenant, *, cancel: bool, reason: str, actor: Actor) -> Operation:
    row = await agreements.require(session, tenant, lock=True)
    if row.status.over:
        raise SubscriptionOver(tenant.slug)
    now = platform.clock.now()
    row.cancel_asked = cancel
    audit.record(session, actor, "billing.end_asked" if cancel else "billing.kept", at=now, tenant_id=tenant.id, reason=reason)
    return await agreements.begin(session, tenant, actor=actor, at=now)


async def sync(session: AsyncSession, platform: Platform, tenant: Tenant, *, actor: Actor) -> Operation:
    """Have the provider read now. `tenant` is locked."""
    await agreements.require(session, tenant)
    now = platform.clock.now()
    audit.record(session, actor, "billing.read_asked", at=now, tenant_id=tenant.id)
    return await agreements.begin(session, tenant, actor=actor, at=now)


async def invoice_of(session: AsyncSession, tenant: Tenant, invoice: str) -> tuple[Agreement, BilledInvoice]:
    """Raises NoAgreement, UnknownInvoice."""
    row = await agreements.require(session, tenant)
    found = next((one for one in await agreements.invoices_of(session, tenant.id) if one.id == invoice), None)
    if found is None:
        raise UnknownInvoice(invoice)
    return row, found


async def pay(session: AsyncSession, platform: Platform, tenant: Tenant, invoice: str, *, actor: Actor) -> None:
    """Collect what is owed from the present card, now. The tenant is read soon after. Raises NothingOwed, PaymentDeclined."""
    row, found = await invoice_of(session, tenant, invoice)
    _refuse_others_card(tenant, row, actor)
    if not found.status.owed:
        raise NothingOwed(invoice, found.status)
    if found.provider is not ProviderName.STRIPE:
        raise NothingToPayHere(tenant.slug, "the invoice is paid by bank transfer and says where to.")
    await guard(platform, found.provider)
    now = platform.clock.now()
    await platform.payments.get(found.provider).pay(invoice, key=f"pay:{invoice}:{uuid4()}")
    audit.record(session, actor, "billing.pay_asked", at=now, tenant_id=tenant.id, invoice=invoice)
    row.look_at = now


async def refund(
    session: AsyncSession, platform: Platform, tenant: Tenant, invoice: str, *, amount: Decimal, reason: str, actor: Actor
) -> None:
    """Give back some of what was paid. Twice the same before the first was read is once. Raises RefundTooMuch."""
    row, found = await invoice_of(session, tenant, invoice)
    left = found.paid - found.refunded - found.disputed
    if amount > left:
        raise RefundTooMuch(f"{max(left, ZERO)} {found.currency}")
    await guard(platform, found.provider)
    now = platform.clock.now()
    # What was given back before is part of the key: a second refund of the same amount is another one once the first was read.
    key = sha256(f"refund:{invoice}:{amount}:{found.refunded}".encode()).hexdigest()
    await platform.payments.get(found.provider).refund(invoice, amount, reason=reason, key=key)
    audit.record(session, actor, "billing.refund_asked", at=now, tenant_id=tenant.id, invoice=invoice, amount=str(amount), reason=reason)
    row.look_at = now


async def record_payment(
    session: AsyncSession,
    platform: Platform,
    tenant: Tenant,
    invoice: str,
    *,
    amount: Decimal,
    received_on: date,
    reference: str,
    actor: Actor,
) -> None:
    """Write down a bank transfer that arrived. The same day, amount and reference again is the same transfer."""
    row, found = await invoice_of(session, tenant, invoice)
    provider = platform.payments.get(found.provider)
    if not isinstance(provider, ManualProvider):
        raise NothingToPayHere(tenant.slug, "the invoice is collected from a card; the provider knows when it is paid.")
    key = sha256(f"{received_on}:{amount}:{reference}".encode()).hexdigest()
    await provider.record_payment(invoice, amount, received_on=received_on, reference=reference, key=key, by=actor.label)
    now = platform.clock.now()
    audit.record(session, actor, "billing.payment_recorded", at=now, tenant_id=tenant.id, invoice=invoice, amount=str(amount))
    row.look_at = now
