"""Agreeing what a tenant pays, and finding what was agreed. Nothing here speaks to a provider: the operation `bill` does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.billing.errors import AgreedAlready, NoAgreement, NotBilled, TrialNotOffered
from control_plane.billing.models import Agreement, BilledInvoice
from control_plane.billing.states import AgreementStatus, Begins, PayerKind, ProviderName
from control_plane.operations import service as operations
from control_plane.operations.kinds import OperationKind
from control_plane.operations.models import Operation
from control_plane.operations.states import OperationState
from control_plane.plans import service as plans
from control_plane.plans.tariff import Quote, Tariff
from control_plane.platform import Platform
from control_plane.resellers.belonging import customer_of, prices_for
from control_plane.revisions import service as revisions
from control_plane.revisions.document import ModulePart, RevisionContent, parse
from control_plane.revisions.planner import ReasonKind
from control_plane.standing import service as standing
from control_plane.tenants.models import Tenant

AGAIN: Final = timedelta(hours=1)
"""When a reading that was begun and came to nothing is begun anew."""


async def of(session: AsyncSession, tenant_id: UUID, *, lock: bool = False) -> Agreement | None:
    """What the tenant agreed to; None for one that nobody pays for."""
    return await session.get(Agreement, tenant_id, with_for_update=lock, populate_existing=lock)


async def require(session: AsyncSession, tenant: Tenant, *, lock: bool = False) -> Agreement:
    """Raises NoAgreement."""
    found = await of(session, tenant.id, lock=lock)
    if found is None:
        raise NoAgreement(tenant.slug)
    return found


async def agree(
    session: AsyncSession,
    platform: Platform,
    tenant: Tenant,
    *,
    plan: str,
    actor: Actor,
    currency: str | None = None,
    provider: ProviderName | None = None,
    begins: Begins | None = None,
    trial_days: int | None = None,
    payer: PayerKind = PayerKind.CLINIC,
    reseller_id: UUID | None = None,
    prices: Mapping[str, Decimal] | None = None,
) -> Agreement:
    """Write down what a tenant agreed to, by the tariff of today, and start the operation that brings it about. `tenant` is locked.

    Without `currency`, that of its country where the tariff has it. `begins`: with a trial the platform starts (the default at a provider
    with cards), on the provider's page, or with an invoice (the default of bank transfer). `prices` are a reseller's own, by item.
    An agreement that is over is made anew; one that is not raises AgreedAlready. Raises NotBilled for a copy or a demonstration,
    UnknownPlan, PlanRetired, CurrencyNotOffered, ProviderNotConnected, TrialNotOffered.
    """
    if not tenant.somebodys_own:
        raise NotBilled(tenant.slug, demonstration=tenant.demo_until is not None)
    now = platform.clock.now()
    tariff = await plans.current(session, platform.clock.today())
    tariff.plan(plan, new=True)
    content = parse((await revisions.desired(session, tenant)).document)
    chosen_currency = currency or tariff.currency_for(content.clinic.currency)
    tariff.quote(plan, (), chosen_currency)
    if trial_days is not None and not 0 <= trial_days <= tariff.trial_days:
        raise TrialNotOffered(tariff.trial_days)
    name = provider or platform.payments.default
    platform.payments.get(name)
    known = await of(session, tenant.id, lock=True)
    if known is not None and not known.status.over:
        raise AgreedAlready(tenant.slug, known.plan)
    paid_by = _payer(known) if known is not None else None
    row = known or Agreement(tenant_id=tenant.id)
    days = (tariff.trial_days if known is None else 0) if trial_days is None else trial_days
    row.plan, row.tariff, row.currency = plan, tariff.id, chosen_currency
    if begins is None:
        begins = Begins.INVOICE if name is ProviderName.MANUAL else Begins.TRIAL if days else Begins.CHECKOUT
    row.provider, row.begins = name, begins
    customer = await customer_of(session, tenant.id)
    if customer is not None and reseller_id is None:
        # Whichever way it came here: a reseller's customer is charged as the reseller's.
        payer, reseller_id = PayerKind(customer.payer.value), customer.reseller_id
        prices = prices or await prices_for(session, customer, tariff, chosen_currency, at=now)
    row.payer, row.reseller_id = payer, reseller_id
    row.prices = {item: str(amount) for item, amount in (prices or {}).items()}
    row.agreed_at, row.agreed_by, row.look_at = now, actor.label, now + AGAIN
    row.trial_ends = now + timedelta(days=days) if days else None
    # Of another provider, or with somebody else's card, it is no customer to go on with.
    row.customer = row.customer if paid_by == _payer(row) else None
    row.checkout, row.subscription, row.status, row.items = None, None, AgreementStatus.NEW, {}
    row.period_ends, row.cancels_at_period_end, row.cancel_asked, row.ends_with_tenant = None, False, None, False
    row.has_method, row.method, row.overdue_since = False, None, None
    row.generation, row.prorate_at, row.reading, row.read_at = 0, None, 0, None
    row.problem, row.problem_code, row.problem_since = None, None, None
    session.add(row)
    await session.flush()
    audit.record(
        session,
        actor,
        "billing.agreed",
        at=now,
        tenant_id=tenant.id,
        plan=plan,
        tariff=tariff.id,
        currency=chosen_currency,
        provider=name,
        payer=payer,
        trial_days=days,
    )
    await standing.look(session, platform, tenant)
    await begin(session, tenant, actor=actor, at=now)
    return row


def _payer(row: Agreement) -> tuple[ProviderName, UUID | None]:
    """Where the money is collected, and from whom: a reseller, or the clinic itself."""
    return row.provider, row.reseller_id if row.payer is PayerKind.RESELLER else None


async def begin(session: AsyncSession, tenant: Tenant, *, actor: Actor, at: datetime) -> Operation:
    """Have the provider read, and told what is to be paid. `tenant` is locked. One that waits is due at once instead of a second one."""
    for operation in await operations.open_operations(session, tenant.id, lock=True):
        if operation.kind is OperationKind.BILL and operation.state is not OperationState.RUNNING:
            operation.next_attempt_at = at
            return operation
    return await operations.start(session, tenant, OperationKind.BILL, actor=actor, at=at)


async def tariff_of(session: AsyncSession, agreement: Agreement) -> Tariff:
    """The tariff it was agreed by."""
    return await plans.get(session, agreement.tariff)


async def quote_of(
    session: AsyncSession, agreement: Agreement, modules: list[ModulePart], *, plan: str | None = None, tariff: Tariff | None = None
) -> Quote:
    """What these modules of a revision cost a month under the agreement, with its own prices. Modules that are there only because the law
    asks for them cost nothing where the tariff says so. `plan` and `tariff` take the place of the agreed ones.
    """
    tariff = tariff or await tariff_of(session, agreement)
    own = {item: Decimal(amount) for item, amount in agreement.prices.items()}
    return tariff.quote(
        plan or agreement.plan, [module.name for module in modules], agreement.currency, free=free_of(tariff, modules), own=own
    )


@dataclass(frozen=True, slots=True)
class Quotes:
    """What a tenant's modules cost before and after a change of them."""

    agreed: bool
    """Whether by its agreement; else by what it would agree to today."""
    before: Quote
    after: Quote

    @property
    def prices(self) -> dict[str, Decimal]:
        """By module, those that are gone at what they cost before."""
        return {line.module: line.amount for quote in (self.before, self.after) for line in quote.lines if line.module is not None}


async def quotes(session: AsyncSession, platform: Platform, tenant: Tenant, before: RevisionContent, after: RevisionContent) -> Quotes:
    """What the modules of two revisions cost: by what was agreed, or by the default plan of today's tariff where nothing is."""
    row = await of(session, tenant.id)
    agreed = row is not None and not row.status.over
    if row is None or not agreed:
        row = await todays(session, platform, tenant, after)
    first, second = [await quote_of(session, row, content.modules) for content in (before, after)]
    return Quotes(agreed, first, second)


async def todays(session: AsyncSession, platform: Platform, tenant: Tenant, content: RevisionContent) -> Agreement:
    """What the tenant would agree to today, with the default plan; not written."""
    tariff = await plans.current(session, platform.clock.today())
    currency = tariff.currency_for(content.clinic.currency)
    customer = await customer_of(session, tenant.id)
    own = await prices_for(session, customer, tariff, currency, at=platform.clock.now()) if customer is not None else {}
    prices = {item: str(amount) for item, amount in own.items()}
    return Agreement(plan=tariff.default_plan, tariff=tariff.id, currency=currency, prices=prices)


def free_of(tariff: Tariff, modules: list[ModulePart]) -> frozenset[str]:
    """Modules the law added and nobody chose, where the tariff gives those for free, with what only they need, and what nobody needs and
    cannot be removed: nobody pays for what they did not choose and cannot be rid of.
    """
    if not tariff.law_adds_for_free:
        return frozenset()
    free = {module.name for module in modules if module.reason.kind == ReasonKind.REQUIRED_BY_LAW}
    while True:
        more = {
            module.name
            for module in modules
            if module.reason.kind == ReasonKind.NEEDED_BY and module.name not in free and set(module.reason.by) <= free
        }
        if not more:
            return frozenset(free)
        free |= more


async def invoices_of(session: AsyncSession, tenant_id: UUID) -> list[BilledInvoice]:
    """Newest first, as they stood when they were read last."""
    query = select(BilledInvoice).where(BilledInvoice.tenant_id == tenant_id)
    return list(await session.scalars(query.order_by(BilledInvoice.created_at.desc(), BilledInvoice.id)))
