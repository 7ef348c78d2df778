"""Sign-ups that begin with a card. Nothing of the clinic is made before it was given, and nothing stays anywhere where it never was.

The row comes first and says what may be at the provider; every call there carries a key made of the row, so whoever dies in between
repeats it; whether a card was given is read from the provider, whoever says so; and a row is over only when both sides agree.
"""

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.billing import accounts as payment_accounts
from control_plane.billing import agreements
from control_plane.billing.states import Begins, ProviderName
from control_plane.billing.taking_over import items_of
from control_plane.errors import DomainError, TemporaryError
from control_plane.mail import outbox
from control_plane.payments.provider import PaymentProvider, trial_on_page
from control_plane.payments.values import Item, Payer, Subscription, SubscriptionStatus
from control_plane.plans import service as plans
from control_plane.platform import Platform
from control_plane.resellers import storefront
from control_plane.signup.errors import PageUnknown, TooBusy
from control_plane.signup.forms import SignupForm
from control_plane.signup.models import Reservation, Signup
from control_plane.signup.states import ReservationEvent, ReservationState
from control_plane.signup.tokens import hash_of
from control_plane.tenants import service as tenants
from control_plane.tenants.errors import SlugTaken
from control_plane.tenants.models import Tenant
from control_plane.tenants.schemas import NewTenant
from control_plane.tenants.states import TenantState
from dentalpin_kit.canonical import digest

WAITS_FOR: Final = timedelta(days=3)
TIDIED_WITHIN: Final = timedelta(days=7)
OFTEN: Final = timedelta(minutes=1)
"""How often the provider is asked while somebody may be typing a card number; without a return to our page this finds it out."""
TYPING: Final = timedelta(minutes=30)
SELDOM: Final = timedelta(minutes=10)
LONGEST_PAUSE: Final = timedelta(hours=1)
MOST_WAITING: Final = 200
_PAID: Final = frozenset({SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE})


async def reserve(session: AsyncSession, platform: Platform, form: SignupForm, new: NewTenant, *, address: str) -> Reservation:
    """Keep what was typed until the card is there, and mail the link by which the person goes on.

    `address` is the page's. Raises TooBusy, SlugTaken, the ceilings of the reseller whose page it is, and what
    tenants.create raises for facts and modules.
    """
    now = platform.clock.now()
    waiting = select(func.count()).select_from(Reservation).where(Reservation.state == ReservationState.WAITING)
    if (await session.scalar(waiting) or 0) >= MOST_WAITING:
        raise TooBusy
    if new.slug is not None and await session.scalar(select(Tenant.id).where(Tenant.slug == new.slug, Tenant.state != TenantState.DELETED)):
        raise SlugTaken(new.slug)
    await storefront.refuse_full(session, platform, form.storefront, new.modules)
    proposal = await tenants.preview(session, platform, new)
    row = Reservation(
        id=uuid4(),
        token_hash=hash_of(form.token),
        fingerprint=form.fingerprint,
        name=new.name,
        email=str(new.owner_email),
        locale=proposal.content.clinic.locale,
        form={**asdict(form), "token": ""},
        storefront=form.storefront or None,
        state_since=now,
        deadline=now + WAITS_FOR,
        due_at=now + OFTEN,
        attempts=0,
        provider=ProviderName.STRIPE.value,
        pages=1,
        created_at=now,
    )
    session.add(row)
    await outbox.send(
        session,
        key=f"signup:{row.id}:waiting",
        to=row.email,
        template="signup_waiting",
        locale=row.locale,
        at=now,
        clinic=new.name,
        link=address,
        until=row.deadline.date(),
    )
    await session.flush()
    return row


async def find(session: AsyncSession, token: str, *, since: datetime) -> Reservation | None:
    """The reservation behind a page, if there is one that is not too old."""
    return await session.scalar(select(Reservation).where(Reservation.token_hash == hash_of(token), Reservation.created_at >= since))


async def ensure_page(platform: Platform, reservation_id: UUID, *, back: str) -> str:
    """The provider's page for the card; another one where the one before is over. Asked twice at once, it is one.

    `back` is the address of the sign-up's own page, always the same one. Raises PageUnknown once nothing waits for a card, and what the
    provider raises.
    """
    now = platform.clock.now()
    async with platform.database.transaction() as session:
        row = await _locked(session, reservation_id)
        if row.state is not ReservationState.WAITING:
            raise PageUnknown
        if row.page is not None and (row.page_until is None or row.page_until > now):
            return row.page
        if row.page is not None:
            row.page, row.checkout, row.pages = None, None, row.pages + 1
        payer, items, currency, trial_ends = await _offered(session, platform, row)
        known, pages, provider_name = row.customer, row.pages, ProviderName(row.provider)
    provider = platform.payments.get(provider_name)
    await payment_accounts.guard(platform, provider_name)
    customer = await provider.ensure_customer(payer, known=known)
    said = digest({"items": {item.key: str(item.amount) for item in items}, "trial": str(trial_ends)})
    page = await provider.checkout(
        reservation_id, customer, items, currency, trial_ends=trial_ends, back=back, key=f"signup:{reservation_id}:{pages}:{said[-16:]}"
    )
    async with platform.database.transaction() as session:
        row = await _locked(session, reservation_id)
        row.customer, row.checkout, row.page, row.page_until = customer, page.id, page.url, page.expires
        row.attempts, row.reason, row.due_at = 0, None, now + OFTEN
    return page.url


async def open_without_card(platform: Platform, reservation_id: UUID) -> None:
    """The person would rather try first. A card given at the last moment counts all the same.

    Raises PageUnknown once nothing waits for a card, and what the provider raises.
    """
    async with platform.database.transaction() as session:
        row = await _locked(session, reservation_id)
        if row.state is not ReservationState.WAITING:
            raise PageUnknown
        checkout, provider_name = row.checkout, ProviderName(row.provider)
    if checkout is not None:
        await platform.payments.get(provider_name).expire_checkout(checkout)
        await look(platform, reservation_id)
    await _open(platform, reservation_id, Begins.TRIAL)


async def nudge(session: AsyncSession, reservation: Reservation, *, at: datetime) -> None:
    """The person is back: ask the provider at the next look."""
    if reservation.state is ReservationState.WAITING and reservation.due_at > at:
        reservation.due_at = at


async def look(platform: Platform, reservation_id: UUID) -> None:
    """Bring one sign-up as far as it can go now. May be repeated at any moment."""
    now = platform.clock.now()
    async with platform.database.transaction() as session:
        row = await session.get_one(Reservation, reservation_id)
        state, customer, refused, late = row.state, row.customer, row.refused, row.deadline <= now
        young = now < row.created_at + TYPING or (row.page_until is not None and now > row.page_until - timedelta(days=1) + TYPING)
        provider_name = ProviderName(row.provider)
    if state not in (ReservationState.WAITING, ReservationState.CLOSING):
        return
    provider = platform.payments.get(provider_name)
    await payment_accounts.guard(platform, provider_name)
    if refused is None and await _paid(provider, customer, reservation_id):
        await _open(platform, reservation_id, Begins.CHECKOUT)
        return
    if state is ReservationState.CLOSING:
        await _tidy(platform, provider, reservation_id)
        return
    async with platform.database.transaction() as session:
        row = await _locked(session, reservation_id)
        if row.state is not ReservationState.WAITING:
            return
        row.attempts, row.reason = 0, None
        if late:
            row.move(ReservationEvent.TIME_OVER, at=now)
            row.deadline, row.due_at = now + TIDIED_WITHIN, now
        else:
            row.due_at = min(row.deadline, now + (OFTEN if young else SELDOM))


async def put_off(platform: Platform, reservation_id: UUID, error: DomainError) -> None:
    """Look again later; what was met is shown."""
    now = platform.clock.now()
    async with platform.database.transaction() as session:
        row = await _locked(session, reservation_id)
        row.attempts += 1
        row.reason, row.due_at = error.message, now + min(LONGEST_PAUSE, OFTEN * 2 ** min(row.attempts - 1, 10))


async def _paid(provider: PaymentProvider, customer: str | None, tenant_id: UUID) -> bool:
    """Whether a card was given, on whichever page."""
    return bool(customer) and any(one.status in _PAID for one in await _subscriptions(provider, customer or "", tenant_id))


async def _subscriptions(provider: PaymentProvider, customer: str, tenant_id: UUID) -> list[Subscription]:
    return [one for one in await provider.subscriptions(customer) if one.tenant_id == tenant_id and not one.status.over]


async def _open(platform: Platform, reservation_id: UUID, begins: Begins) -> None:
    """Make the clinic. One that cannot be made is refused: what was paid for it goes back."""
    now = platform.clock.now()
    try:
        async with platform.database.transaction() as session:
            row = await _locked(session, reservation_id)
            if row.state not in (ReservationState.WAITING, ReservationState.CLOSING) or row.form is None:
                return
            form = _form(row)
            new = form.request()
            actor = Actor.signup(row.email)
            try:
                async with session.begin_nested():
                    started = await tenants.create(session, platform, new, actor=actor, tenant_id=row.id)
            except SlugTaken:
                # Somebody was quicker while the card was typed: another address is better than no clinic.
                started = await tenants.create(session, platform, new.model_copy(update={"slug": None}), actor=actor, tenant_id=row.id)
            await storefront.signed_up(session, platform, form.storefront, started.tenant, actor=actor)
            tariff = await plans.current(session, platform.clock.today())
            agreement = await agreements.agree(
                session,
                platform,
                started.tenant,
                plan=form.plan or tariff.default_plan,
                actor=actor,
                provider=ProviderName(row.provider),
                begins=begins,
            )
            agreement.customer = row.customer
            session.add(Signup(token_hash=row.token_hash, tenant_id=started.tenant.id, fingerprint=row.fingerprint, created_at=now))
            row.move(ReservationEvent.CARD_GIVEN if begins is Begins.CHECKOUT else ReservationEvent.WITHOUT_CARD, at=now)
            row.form, row.reason = None, None
    except TemporaryError:
        raise
    except DomainError as error:
        if begins is not Begins.CHECKOUT:
            raise
        async with platform.database.transaction() as session:
            row = await _locked(session, reservation_id)
            row.refused = row.reason = error.message
            row.due_at = now
            if row.state is ReservationState.WAITING:
                row.move(ReservationEvent.REFUSED, at=now)
                row.deadline = now + TIDIED_WITHIN


async def _tidy(platform: Platform, provider: PaymentProvider, reservation_id: UUID) -> None:
    """Leave nothing at the provider: no page that could still be paid, no subscription, no money, no person."""
    async with platform.database.transaction() as session:
        row = await session.get_one(Reservation, reservation_id)
        if row.state is not ReservationState.CLOSING:
            return  # somebody else did it since it was looked at
        checkout, customer, refused = row.checkout, row.customer, row.refused
        payer = _payer(row, country=_form(row).country.upper(), tax_id=None)
    if checkout is not None:
        await provider.expire_checkout(checkout)
    if customer is None:
        # It may have been made by an attempt that died: it is found again by its reference.
        customer = await provider.ensure_customer(payer)
    if refused is None and await _paid(provider, customer, reservation_id):
        await _open(platform, reservation_id, Begins.CHECKOUT)
        return
    for subscription in await _subscriptions(provider, customer, reservation_id):
        await provider.cancel(subscription.id, at_period_end=False, key=f"signup:{reservation_id}:cancel:{subscription.id}")
    for invoice in await provider.invoices(customer):
        if (left := invoice.paid - invoice.refunded) > 0:
            key = f"signup:{reservation_id}:refund:{invoice.id}"
            await provider.refund(invoice.id, left, reason="the clinic could not be opened", key=key)
    await provider.forget(customer)
    now = platform.clock.now()
    async with platform.database.transaction() as session:
        row = await _locked(session, reservation_id)
        if row.state is not ReservationState.CLOSING:
            return
        row.move(ReservationEvent.TIDIED, at=now)
        row.form, row.attempts, row.reason = None, 0, row.refused
        await outbox.send(
            session,
            key=f"signup:{row.id}:ended",
            to=row.email,
            template="signup_ended",
            locale=row.locale,
            at=now,
            clinic=row.name,
            why=row.refused,
            link=f"{platform.settings.public_url.rstrip('/')}{f'/r/{row.storefront}' if row.storefront else '/signup'}",
        )


async def _offered(session: AsyncSession, platform: Platform, row: Reservation) -> tuple[Payer, tuple[Item, ...], str, datetime | None]:
    """Who is to pay what, in which currency, and until when the trial goes: as it will be agreed when the clinic is opened."""
    form = _form(row)
    new = form.request()
    proposal = await tenants.preview(session, platform, new)
    _, tariff = await storefront.sold(session, platform, form.storefront)
    modules = proposal.content.modules
    currency = tariff.currency_for(proposal.content.clinic.currency)
    quote = tariff.quote(
        form.plan or tariff.default_plan, [one.name for one in modules], currency, free=agreements.free_of(tariff, modules)
    )
    promised = row.created_at + timedelta(days=tariff.trial_days) if tariff.trial_days else None
    trial_ends = trial_on_page(promised, platform.clock.now())
    payer = _payer(row, country=proposal.requirements.country, tax_id=proposal.requirements.tax_id)
    return payer, items_of(tariff, quote, row.locale), currency, trial_ends


def _payer(row: Reservation, *, country: str, tax_id: str | None) -> Payer:
    """Under the reference by which the agreement finds it again."""
    return Payer(f"tenant:{row.id}", row.email, row.name, country, row.locale, tax_id)


def _form(row: Reservation) -> SignupForm:
    assert row.form is not None  # held by a constraint while it is under way
    form = SignupForm(**row.form)
    return replace(form, modules=tuple(form.modules))


async def _locked(session: AsyncSession, reservation_id: UUID) -> Reservation:
    return await session.get_one(Reservation, reservation_id, with_for_update=True, populate_existing=True)
