"""/v1/tenants/{slug}/billing: what a tenant pays. /v1/payments and /v1/tariffs: what the platform's operators do about money."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.access.errors import ScopeNeeded
from control_plane.access.requires import Guards, Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.billing import agreements, happenings, service
from control_plane.billing.models import BilledInvoice, PaymentAccount, PaymentEvent
from control_plane.billing.schemas import (
    BillingChanged,
    BillingOut,
    BillingPreview,
    ChangeRequest,
    Confirmed,
    EndRequest,
    EventList,
    EventOut,
    InvoiceList,
    InvoiceOut,
    PageOut,
    PageRequest,
    ProviderList,
    RefundRequest,
    TariffList,
    TariffOut,
    Terms,
    TransferRequest,
)
from control_plane.billing.states import ProviderName
from control_plane.operations.models import Operation
from control_plane.operations.schemas import OperationOut
from control_plane.pagination import WantedPage, page
from control_plane.plans import service as plans
from control_plane.plans.tariff import Tariff
from control_plane.platform import Platform
from control_plane.tenants.models import Tenant
from control_plane.tenants.router import KnownTenant, LockedTenant

router = APIRouter(prefix="/tenants/{slug}/billing", tags=["billing"], route_class=PlatformRoute, dependencies=[Guards("billing")])
operators = APIRouter(prefix="/payments", tags=["payments"], route_class=PlatformRoute, dependencies=[Guards("payments")])
tariffs = APIRouter(prefix="/tariffs", tags=["payments"], route_class=PlatformRoute)
ingress = APIRouter(prefix="/payments/webhooks", tags=["payments"])
"""Nobody signs in here: the provider's signature says who it is."""

InvoiceId = Annotated[str, Path(max_length=80)]


async def _shown(session: AsyncSession, platform: Platform, tenant: Tenant) -> BillingOut:
    row = await agreements.require(session, tenant)
    quote, _ = await service.quote(session, tenant, row)
    tariff = await agreements.tariff_of(session, row)
    return BillingOut.show(tenant.slug, row, tariff, quote, demonstration=platform.payments.demonstration)


async def _changed(
    session: AsyncSession, platform: Platform, tenant: Tenant, operation: Operation | None, modules: Operation | None = None
) -> BillingChanged:
    await session.flush()
    return BillingChanged(
        billing=await _shown(session, platform, tenant),
        operation=OperationOut.of(operation, tenant.slug) if operation else None,
        modules=OperationOut.of(modules, tenant.slug) if modules else None,
    )


def _refuse_special(terms: Terms, actor: Actor) -> None:
    """Other prices, and invoices instead of cards, are an operator's to give."""
    if (terms.prices or terms.provider is ProviderName.MANUAL) and not actor.may("payments:write"):
        raise ScopeNeeded("payments:write")


@router.get("")
async def get_billing(tenant: KnownTenant, session: Session, platform: ThisPlatform) -> BillingOut:
    """What a tenant agreed to, what it pays a month, and where that stands at the provider as it was read last."""
    return await _shown(session, platform, tenant)


@router.put("", status_code=202)
async def agree(terms: Terms, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> BillingChanged:
    """Agree on a plan, by the prices of today; again once the subscription has ended. The trial or the invoices begin by themselves."""
    _refuse_special(terms, actor)
    if terms.trial_days and await agreements.of(session, tenant.id) is not None and not actor.may("payments:write"):
        # A clinic tries once: a further trial is an operator's to give.
        raise ScopeNeeded("payments:write")
    await agreements.agree(
        session,
        platform,
        tenant,
        plan=terms.plan,
        currency=terms.currency,
        provider=terms.provider,
        trial_days=terms.trial_days,
        prices=terms.prices,
        actor=actor,
    )
    return await _changed(session, platform, tenant, None)


@router.post("/preview")
async def preview(wanted: ChangeRequest, tenant: KnownTenant, session: Session, platform: ThisPlatform) -> BillingPreview:
    """What a change costs and does. `at` and `confirmation` confirm exactly this, for an hour. Nothing is written."""
    return BillingPreview.of(await service.preview(session, platform, tenant, plan=wanted.plan, modules=wanted.modules))


@router.post("/change", status_code=202)
async def change(wanted: Confirmed, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> BillingChanged:
    """Do what a preview showed, at its price: modules first, and what they cost once they are there."""
    started, operation = await service.change(
        session,
        platform,
        tenant,
        plan=wanted.plan,
        modules=wanted.modules,
        at=wanted.at,
        confirmation=wanted.confirmation,
        actor=actor,
    )
    return await _changed(session, platform, tenant, operation, started.operation)


@router.post("/checkout", status_code=201)
async def checkout(wanted: PageRequest, tenant: KnownTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> PageOut:
    """A page on which the person subscribes with a card; the one before is closed."""
    back = platform.settings.public_url.rstrip("/") + wanted.back
    found = await service.checkout(session, platform, tenant, back=back, actor=actor)
    return PageOut(url=found.url, expires=found.expires)


@router.post("/portal", status_code=201)
async def portal(wanted: PageRequest, tenant: KnownTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> PageOut:
    """A page on which the payer changes the card and sees the invoices, for the payer only. A new card pays what is open."""
    back = platform.settings.public_url.rstrip("/") + wanted.back
    found = await service.portal(session, platform, tenant, back=back, actor=actor)
    return PageOut(url=found.url, expires=found.expires)


@router.post("/end", status_code=202)
async def end(wanted: EndRequest, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> BillingChanged:
    """End the subscription with the period that is paid for. Nothing of the clinic is deleted by it."""
    return await _changed(session, platform, tenant, await service.end(session, platform, tenant, reason=wanted.reason, actor=actor))


@router.post("/keep", status_code=202)
async def keep(tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> BillingChanged:
    """Take back an end that has not come yet."""
    return await _changed(session, platform, tenant, await service.keep(session, platform, tenant, actor=actor))


@router.post("/sync", status_code=202)
async def sync(tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> BillingChanged:
    """Have the provider read now."""
    return await _changed(session, platform, tenant, await service.sync(session, platform, tenant, actor=actor))


@router.get("/invoices")
async def list_invoices(tenant: KnownTenant, session: Session, wanted: WantedPage) -> InvoiceList:
    """Invoices as they stood when they were read last, the newest first."""
    query = select(BilledInvoice).where(BilledInvoice.tenant_id == tenant.id)
    found = await page(session, query, BilledInvoice.created_at, BilledInvoice.id, wanted=wanted, descending=True)
    return InvoiceList(items=[InvoiceOut.of(one) for one in found.items], next=found.next)


@router.post("/invoices/{invoice}/pay", status_code=202)
async def pay(invoice: InvoiceId, tenant: KnownTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> InvoiceOut:
    """Collect an open invoice from the present card, now. 402 where the bank says no, with where to confirm if it wants that."""
    await service.pay(session, platform, tenant, invoice, actor=actor)
    return InvoiceOut.of((await service.invoice_of(session, tenant, invoice))[1])


@router.post("/invoices/{invoice}/refunds", status_code=202, dependencies=[Requires("payments:write")])
async def refund(
    invoice: InvoiceId, wanted: RefundRequest, tenant: KnownTenant, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> InvoiceOut:
    """Give back some of what was paid, never more."""
    await service.refund(session, platform, tenant, invoice, amount=wanted.amount, reason=wanted.reason, actor=actor)
    return InvoiceOut.of((await service.invoice_of(session, tenant, invoice))[1])


@router.post("/invoices/{invoice}/payments", status_code=202, dependencies=[Requires("payments:write")])
async def record_payment(
    invoice: InvoiceId, wanted: TransferRequest, tenant: KnownTenant, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> InvoiceOut:
    """Write down a bank transfer that arrived. The same one again changes nothing; what is more than was owed is credited."""
    await service.record_payment(
        session,
        platform,
        tenant,
        invoice,
        amount=wanted.amount,
        received_on=wanted.received_on,
        reference=wanted.reference,
        actor=actor,
    )
    return InvoiceOut.of((await service.invoice_of(session, tenant, invoice))[1])


@operators.get("/providers")
async def list_providers(session: Session, actor: CurrentActor, platform: ThisPlatform) -> ProviderList:
    """The providers this platform is connected to, and the account each was bound to."""
    accounts = {row.provider: row.account for row in await session.scalars(select(PaymentAccount))}
    return ProviderList.of(list(platform.payments.by_name), accounts, demonstration=platform.payments.demonstration)


@operators.get("/events")
async def list_events(session: Session, actor: CurrentActor, wanted: WantedPage) -> EventList:
    """Events of the providers as they arrived, the newest first, of 90 days."""
    found = await page(session, select(PaymentEvent), PaymentEvent.received_at, PaymentEvent.id, wanted=wanted, descending=True)
    return EventList(items=[EventOut.of(row) for row in found.items], next=found.next)


@tariffs.get("", dependencies=[Requires("payments:read")])
async def list_tariffs(session: Session, actor: CurrentActor) -> TariffList:
    """Every tariff, the newest first; agreements keep theirs."""
    return TariffList(items=[TariffOut.of(row) for row in await plans.listed(session)])


@tariffs.post("", status_code=201, dependencies=[Requires("payments:write")])
async def publish_tariff(tariff: Tariff, session: Session, actor: CurrentActor, platform: ThisPlatform) -> TariffOut:
    """Sell by it from its first day on. Whoever agreed before keeps what was agreed."""
    return TariffOut.of(await plans.publish(session, tariff, actor=actor, at=platform.clock.now()))


async def raw_body(request: Request) -> bytes:
    return await request.body()


@ingress.post("/{provider}")
async def receive_event(
    provider: ProviderName, request: Request, body: Annotated[bytes, Depends(raw_body)], platform: ThisPlatform
) -> dict[str, bool]:
    """What a payment provider tells. It is stored once; whoever it is about is read from the provider soon."""
    connected = platform.payments.get(provider)
    happening = await connected.completed(connected.read_webhook(body, request.headers))
    async with platform.database.transaction() as session:
        new = await happenings.receive(session, provider, happening, at=platform.clock.now())
    return {"received": True, "new": new}
