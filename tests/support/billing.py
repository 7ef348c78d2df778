"""A platform that collects from the payment provider's double."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.billing import agreements
from control_plane.billing.models import Agreement, BilledInvoice
from control_plane.billing.states import ProviderName
from control_plane.config import Settings
from control_plane.operations.worker import Worker
from control_plane.payments.connected import Payments
from control_plane.payments.manual.provider import ManualProvider
from control_plane.payments.stripe_provider import StripeProvider
from control_plane.platform import Platform
from control_plane.tenants import service as tenants
from control_plane.tenants.models import Tenant
from control_plane.tenants.schemas import NewTenant
from tests.support.payment_provider import Provider
from tests.support.platform import BUSINESS

OPERATOR = Actor.operator("tests")
WEBHOOK_SECRET = "whsec_test"


@dataclass
class Billing:
    """`platform` is connected to an account of its own at the double; `v1` is that account as its owner sees it."""

    platform: Platform
    worker: Worker
    provider: Provider
    key: str

    @property
    def v1(self) -> Any:
        return self.provider.client_for(self.key).v1

    async def tenant(self, slug: str = "sol", *, modules: tuple[str, ...] = (), **facts: Any) -> Tenant:
        """A clinic that runs what it chose."""
        async with self.platform.database.transaction() as session:
            new = NewTenant.model_validate({**BUSINESS, "name": slug.title(), "slug": slug, "modules": list(modules), **facts})
            made = (await tenants.create(session, self.platform, new, actor=OPERATOR)).tenant
        await self.worker.drain()
        return made

    async def agree(self, tenant: Tenant, **terms: Any) -> None:
        async with self.platform.database.transaction() as session:
            locked = await tenants.find(session, tenant.slug, lock=True)
            await agreements.agree(session, self.platform, locked, **{"plan": "solo", "actor": OPERATOR, **terms})
        await self.worker.drain()

    async def trial(self, slug: str = "sol", *, modules: tuple[str, ...] = (), **terms: Any) -> Tenant:
        made = await self.tenant(slug, modules=modules)
        await self.agree(made, **terms)
        return made

    async def agreement(self, tenant: Tenant) -> Agreement:
        async with self.platform.database.transaction() as session:
            return await agreements.require(session, tenant)

    async def require(self, session: AsyncSession, tenant: Tenant) -> Agreement:
        return await agreements.require(session, tenant)

    async def invoices(self, tenant: Tenant) -> list[BilledInvoice]:
        async with self.platform.database.transaction() as session:
            return await agreements.invoices_of(session, tenant.id)

    async def bill(self, tenant: Tenant) -> Agreement:
        """Have the provider read now, whoever noticed that something happened."""
        async with self.platform.database.transaction() as session:
            locked = await tenants.find(session, tenant.slug, lock=True)
            await agreements.begin(session, locked, actor=OPERATOR, at=self.platform.clock.now())
        await self.worker.drain()
        return await self.agreement(tenant)

    async def card(self, tenant: Tenant, card: str = "pm_card_visa") -> None:
        """As the portal does it: the new card becomes the customer's, and pays nothing by itself."""
        customer = (await self.agreement(tenant)).customer
        stored = self.v1.payment_methods.attach(card, {"customer": customer})
        self.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": stored.id}})

    def move(self, **duration: float) -> None:
        """Time goes on, at the provider and here: `move(days=3)`."""
        self.platform.clock.advance(**duration)  # type: ignore[attr-defined]  # the tests' clock
        self.provider.do("clock", now=int(self.platform.clock.now().timestamp()))


@asynccontextmanager
async def billing_of(platform: Platform, provider: Provider, *, key: str | None = None) -> AsyncIterator[Billing]:
    key = key or f"sk_test_{secrets.token_hex(6)}"
    made = StripeProvider(key, base_url=provider.url, webhook_secret=WEBHOOK_SECRET)
    terms: dict[str, Any] = {
        "tax_percent": Decimal(21),
        "due_days": 14,
        "issuer": "DentalPin SL",
        "pay_to": "ES91 2100 0418 4502 0005 1332",
    }
    manual = ManualProvider(platform.database, platform.clock.now, **terms)
    payments = Payments({ProviderName.STRIPE: made, ProviderName.MANUAL: manual}, demonstration=True)
    connected = replace(platform, payments=payments)
    provider.do("clock", now=int(platform.clock.now().timestamp()))
    yield Billing(connected, Worker(connected, connected.servers.own), provider, key)
    provider.double.ahead = 0


def paid_by_transfer(platform: Platform, **settings: Any) -> Billing:
    """A platform that is paid by bank transfer only: there is no provider to be moved in time, or asked."""
    facts = {
        **platform.settings.model_dump(),
        "bank_account": "DentalPin SL\nES91 2100 0418 4502 0005 1332",
        "invoice_issuer": "DentalPin SL\nCalle Mayor 1, 28013 Madrid",
        "invoice_tax_percent": "21",
        **settings,
    }
    made = Settings.model_validate(facts)
    connected = replace(platform, settings=made, payments=Payments.build(made, platform.database, platform.clock.now))
    return Billing(connected, Worker(connected, connected.servers.own), None, "")  # type: ignore[arg-type]  # no card is taken


__all__ = ["OPERATOR", "WEBHOOK_SECRET", "Billing", "billing_of", "paid_by_transfer"]
