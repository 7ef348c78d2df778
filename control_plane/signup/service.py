"""Opening a clinic from the form: the tenant service that the API uses, once per form, and what its progress page tells."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.operations import service as operations
from control_plane.operations.kinds import OperationKind
from control_plane.operations.models import Operation
from control_plane.operations.observing import look
from control_plane.plans import official_tariff
from control_plane.platform import Platform
from control_plane.revisions import service as revisions
from control_plane.revisions.document import RevisionContent, parse
from control_plane.signup.errors import FormReused, PageUnknown, TooBusy, TooMany
from control_plane.signup.forms import SignupForm
from control_plane.signup.models import Signup
from control_plane.tenants import service as tenants
from control_plane.tenants.models import ObservedTenant, Tenant
from control_plane.tenants.states import TenantState

KEPT: Final = timedelta(days=14)
"""How long a progress page exists: an invitation and its renewal fit in."""
AT_ONCE: Final = 20
"""Clinics from this page that may be on their way together; everybody can reach it, and each takes a database and a process."""
A_DAY: Final = 5
"""Clinics one e-mail address may open within a day."""


@dataclass(frozen=True)
class Progress:
    """All that a progress page shows."""

    tenant: Tenant
    desired: RevisionContent
    operation: Operation | None
    invitation: Operation | None
    owner_claimed: bool


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def sign_up(session: AsyncSession, platform: Platform, form: SignupForm) -> None:
    """Open the clinic a form describes. Sending the same form again changes nothing.

    Raises FormReused when the form opened a clinic and says something else now, ValidationError, UnknownPlan, PlanRetired, TooBusy,
    TooMany, and what tenants.create raises.
    """
    # A second click waits here for the first one's transaction and then finds its clinic.
    lock = int.from_bytes(hashlib.sha256(form.token.encode()).digest()[:8], "big", signed=True)
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock})
    known = await session.get(Signup, _hash(form.token))
    if known is not None:
        if known.fingerprint != form.fingerprint:
            tenant = await session.get_one(Tenant, known.tenant_id)
            raise FormReused(tenant.name)
        return
    new = form.request()
    tariff = official_tariff()
    tariff.plan(form.plan or tariff.default_plan, new=True)
    now = platform.clock.now()
    await _refuse_flood(session, str(new.owner_email), at=now)
    started = await tenants.create(session, platform, new, actor=Actor.signup(str(new.owner_email)))
    row = Signup(token_hash=_hash(form.token), tenant_id=started.tenant.id, fingerprint=form.fingerprint, created_at=now)
    session.add(row)
    await session.execute(delete(Signup).where(Signup.created_at < now - KEPT))


async def _refuse_flood(session: AsyncSession, email: str, *, at: datetime) -> None:
    """Operators' own requests are not counted. Raises TooBusy, TooMany."""
    from_here = select(func.count()).select_from(Signup).join(Tenant, Tenant.id == Signup.tenant_id)
    if (await session.scalar(from_here.where(Tenant.state == TenantState.PROVISIONING)) or 0) >= AT_ONCE:
        raise TooBusy
    today = from_here.where(Tenant.owner_email == email, Signup.created_at > at - timedelta(days=1))
    if (await session.scalar(today) or 0) >= A_DAY:
        raise TooMany(email)


async def tenant_of(session: AsyncSession, platform: Platform, token: str, *, lock: bool = False) -> Tenant:
    """The clinic behind a progress page. Raises PageUnknown, also when the page has had its time."""
    query = select(Tenant).join(Signup, Signup.tenant_id == Tenant.id).where(Signup.token_hash == _hash(token))
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
