"""Opening a clinic from the form: the tenant service that the API uses, once per form, and what its progress page tells."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.billing import agreements
from control_plane.billing.states import ProviderName
from control_plane.operations import service as operations
from control_plane.operations.kinds import OperationKind
from control_plane.operations.models import Operation
from control_plane.operations.observing import look
from control_plane.platform import Platform
from control_plane.resellers import storefront
from control_plane.revisions import service as revisions
from control_plane.revisions.document import RevisionContent, parse
from control_plane.signup import reserving
from control_plane.signup.errors import FormReused, PageUnknown, TooBusy, TooMany
from control_plane.signup.forms import SignupForm
from control_plane.signup.models import Reservation, Signup
from control_plane.signup.states import ReservationState
from control_plane.signup.terms import Doors, Payment, Terms
from control_plane.signup.tokens import hash_of
from control_plane.tenants import service as tenants
from control_plane.tenants.models import ObservedTenant, Tenant
from control_plane.tenants.states import TenantState

KEPT: Final = timedelta(days=14)
"""How long a progress page exists: an invitation and its renewal fit in."""
AT_ONCE: Final = 20
"""Clinics from this page that may be on their way together; everybody can reach it, and each takes a database and a process."""
A_DAY: Final = 5
"""Clinics one e-mail address may open within a day."""
_PROVIDERS: Final = {Payment.TRIAL: ProviderName.STRIPE, Payment.INVOICE: ProviderName.MANUAL}


@dataclass(frozen=True)
class Progress:
    """All that a progress page shows."""

    tenant: Tenant
    desired: RevisionContent
    operation: Operation | None
    invitation: Operation | None
    owner_claimed: bool


@dataclass(frozen=True)
class Begun:
    """What sending a form led to: a clinic on its way, or a reservation that waits for a card."""

    reservation_id: UUID | None = None


def doors(platform: Platform) -> Doors:
    """By which ways clinics that sign up here can pay."""
    connected = platform.payments.by_name
    required = platform.settings.signup_card == "required"
    return Doors(cards=ProviderName.STRIPE in connected, transfers=ProviderName.MANUAL in connected, card_first=required)


def address_of(platform: Platform, token: str) -> str:
    """The progress page, as it is written into mails and given to the payment provider."""
    return f"{platform.settings.public_url.rstrip('/')}/signup/{token}"


async def sign_up(session: AsyncSession, platform: Platform, form: SignupForm) -> Begun:
    """Open the clinic a form describes, or keep it until its card is given. Sending the same form again changes nothing.

    Raises FormReused when the form opened a clinic and says something else now, ValidationError, UnknownPlan, PlanRetired, TooBusy,
    TooMany, and what tenants.create raises.
    """
    # A second click waits here for the first one's transaction and then finds its clinic.
    lock = int.from_bytes(hashlib.sha256(form.token.encode()).digest()[:8], "big", signed=True)
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock})
    reserved = await session.scalar(select(Reservation).where(Reservation.token_hash == hash_of(form.token)))
    if reserved is not None and reserved.state is ReservationState.ENDED:
        await session.delete(reserved)
        await session.flush()
    elif reserved is not None:
        if reserved.fingerprint != form.fingerprint:
            raise FormReused(reserved.name)
        return Begun(reserved.id if reserved.state is ReservationState.WAITING else None)
    known = await session.get(Signup, hash_of(form.token))
    if known is not None:
        if known.fingerprint != form.fingerprint:
            tenant = await session.get_one(Tenant, known.tenant_id)
            raise FormReused(tenant.name)
        return Begun()
    new = form.request()
    _, tariff = await storefront.sold(session, platform, form.storefront)
    plan = form.plan or tariff.default_plan
    tariff.plan(plan, new=True)
    payment = Terms.of(tariff, doors(platform), platform.clock.today()).chosen(form.payment)
    now = platform.clock.now()
    await _refuse_flood(session, str(new.owner_email), at=now)
    if payment is Payment.CARD:
        reservation = await reserving.reserve(session, platform, form, new, address=address_of(platform, form.token))
        return Begun(reservation.id)
    started = await tenants.create(session, platform, new, actor=Actor.signup(str(new.owner_email)))
    await storefront.signed_up(session, platform, form.storefront, started.tenant, actor=Actor.signup(str(new.owner_email)))
    if payment is not None:
        await agreements.agree(
            session, platform, started.tenant, plan=plan, actor=Actor.signup(str(new.owner_email)), provider=_PROVIDERS[payment]
        )
    row = Signup(token_hash=hash_of(form.token), tenant_id=started.tenant.id, fingerprint=form.fingerprint, created_at=now)
    session.add(row)
    await session.execute(delete(Signup).where(Signup.created_at < now - KEPT))
    return Begun()


async def _refuse_flood(session: AsyncSession, email: str, *, at: datetime) -> None:
    """Operators' own requests are not counted. Raises TooBusy, TooMany."""
    from_here = select(func.count()).select_from(Signup).join(Tenant, Tenant.id == Signup.tenant_id)
    if (await session.scalar(from_here.where(Tenant.state == TenantState.PROVISIONING)) or 0) >= AT_ONCE:
        raise TooBusy
    today = from_here.where(func.lower(Tenant.owner_email) == email.lower(), Signup.created_at > at - timedelta(days=1))
    kept = (
        select(func.count())
        .select_from(Reservation)
        .where(func.lower(Reservation.email) == email.lower(), Reservation.created_at > at - timedelta(days=1))
    )
    kept = kept.where(Reservation.state != ReservationState.OPENED)
    if (await session.scalar(today) or 0) + (await session.scalar(kept) or 0) >= A_DAY:
        raise TooMany(email)


async def reservation_of(session: AsyncSession, platform: Platform, token: str) -> Reservation | None:
    """What the page is of while there is no clinic: a sign-up that waits for its card, or came to nothing."""
    found = await reserving.find(session, token, since=platform.clock.now() - KEPT)
    return found if found is not None and found.state is not ReservationState.OPENED else None


async def tenant_of(session: AsyncSession, platform: Platform, token: str, *, lock: bool = False) -> Tenant:
    """The clinic behind a progress page. Raises PageUnknown, also when the page has had its time."""
    query = select(Tenant).join(Signup, Signup.tenant_id == Tenant.id).where(Signup.token_hash == hash_of(token))
    query = query.where(Signup.created_at >= platform.clock.now() - KEPT)
    if lock:
        query = query.with_for_update(of=Tenant).execution_options(populate_existing=True)
    tenant = await session.scalar(query)
    if tenant is None:
        raise PageUnknown
    return tenant


async def progress(session: AsyncSession, tenant: Tenant) -> Progress:
    seen = await session.get(ObservedTenant, tenant.id)
    attestation = (seen.attestation if seen else None) or {}
    newest_invitation = select(Operation).where(Operation.tenant_id == tenant.id, Operation.kind == OperationKind.INVITE)
    return Progress(
        tenant=tenant,
        desired=parse((await revisions.desired(session, tenant)).document),
        operation=await operations.latest_operation(session, tenant.id),
        invitation=await session.scalar(newest_invitation.order_by(Operation.number.desc()).limit(1)),
        owner_claimed=bool(attestation.get("owner_claimed")),
    )


async def send_again(session: AsyncSession, platform: Platform, token: str, email: str | None) -> Tenant:
    """Mail the owner's link once more, to a corrected address where one is given. Raises PageUnknown, OwnerClaimed, TenantGoing."""
    # Whether the owner was quicker only the runtime knows; it is asked before anything is locked.
    await look(platform, (await tenant_of(session, platform, token)).id)
    tenant = await tenant_of(session, platform, token, lock=True)
    await tenants.invite(session, platform, tenant, email, actor=Actor.signup(tenant.owner_email))
    return tenant
