"""A clinic choosing its plan by itself: the first time, or anew once its subscription has ended. What was shown is what is agreed."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.billing import agreements
from control_plane.billing.errors import NothingToPayHere, PreviewOutdated
from control_plane.billing.models import Agreement
from control_plane.billing.service import usage_of
from control_plane.billing.states import ProviderName
from control_plane.plans import service as plans
from control_plane.plans.tariff import Plan, Quote, Tariff
from control_plane.platform import Platform
from control_plane.resellers.belonging import customer_of
from control_plane.resellers.terms import Payer
from control_plane.revisions import service as revisions
from control_plane.revisions.document import parse
from control_plane.tenants.models import Tenant
from dentalpin_kit.canonical import digest


@dataclass(frozen=True, slots=True)
class Offered:
    """A plan a clinic may agree to today, and what it costs a month with the modules it has."""

    name: str
    plan: Plan
    quote: Quote
    provider: ProviderName
    trial_days: int
    """For a clinic that never agreed to anything."""
    confirmation: str


async def offers(session: AsyncSession, platform: Platform, tenant: Tenant, *, actor: Actor) -> list[Offered]:
    """The plans of today's tariff, cheapest first. Raises ProviderNotConnected, NothingToPayHere where a reseller is to pay."""
    customer = await customer_of(session, tenant.id)
    if customer is not None and customer.payer is Payer.RESELLER and not actor.sees_all and actor.reseller_id != customer.reseller_id:
        raise NothingToPayHere(tenant.slug, "its reseller pays for it, and agrees on its plan.")
    content = parse((await revisions.desired(session, tenant)).document)
    known = await agreements.of(session, tenant.id)
    # Bank transfer was granted by an operator, or is all there is.
    manual = known is not None and known.provider is ProviderName.MANUAL and ProviderName.MANUAL in platform.payments.by_name
    provider = ProviderName.MANUAL if manual else platform.payments.default
    platform.payments.get(provider)
    terms = await agreements.todays(session, platform, tenant, content)
    tariff = await agreements.tariff_of(session, terms)
    found = [
        Offered(
            name,
            plan,
            quote := await agreements.quote_of(session, terms, content.modules, plan=name, tariff=tariff),
            provider,
            tariff.trial_days if known is None else 0,
            _confirmation(tariff, quote, provider),
        )
        for name, plan in tariff.offered.items()
    ]
    return sorted(found, key=lambda one: (one.quote.total, one.name))


def _confirmation(tariff: Tariff, quote: Quote, provider: ProviderName) -> str:
    lines = [[line.item, str(line.amount)] for line in quote.lines]
    return digest({"tariff": tariff.id, "plan": quote.plan, "lines": lines, "currency": quote.currency, "provider": provider})


async def choose(session: AsyncSession, platform: Platform, tenant: Tenant, plan: str, confirmation: str, *, actor: Actor) -> Agreement:
    """Agree to a plan as it was offered. `tenant` is locked.

    Raises PreviewOutdated where it would be another price now, LimitExceeded, and what `agreements.agree` raises.
    """
    tariff = await plans.current(session, platform.clock.today())
    tariff.plan(plan, new=True)
    tariff.refuse_too_small(plan, await usage_of(session, tenant))
    offered = next((one for one in await offers(session, platform, tenant, actor=actor) if one.name == plan), None)
    if offered is None or offered.confirmation != confirmation:
        raise PreviewOutdated("prices or modules changed since.")
    return await agreements.agree(
        session, platform, tenant, plan=plan, currency=offered.quote.currency, provider=offered.provider, actor=actor
    )
