"""/account: the clinics somebody owns, one clinic at a glance, and its people."""

from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import ValidationError
from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from control_plane.access import accounts
from control_plane.access.models import Account, Reseller, TenantGrant
from control_plane.access.pages import typed
from control_plane.access.requires import Requires, visible
from control_plane.access.routing import CurrentActor, Session, ThisPlatform
from control_plane.access.scopes import Kind, Role
from control_plane.account_pages.routing import AREA, PATH, SHOWN, PageRoute, render
from control_plane.account_pages.seeing import glance
from control_plane.account_pages.texts import words_of
from control_plane.audit import service as audit
from control_plane.mail import outbox
from control_plane.support import service as support
from control_plane.support.models import SupportRequest
from control_plane.support.states import UNFINISHED
from control_plane.tenants.models import Tenant
from control_plane.tenants.router import KnownTenant, LockedTenant
from control_plane.tenants.schemas import InvitationRequest
from control_plane.tenants.states import TenantState

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)


@router.get("", dependencies=[Requires("tenants:read", own=True)])
async def show_clinics(request: Request, session: Session, actor: CurrentActor) -> Response:
    query = visible(select(Tenant), actor).where(Tenant.state != TenantState.DELETED).order_by(Tenant.name, Tenant.slug).limit(100)
    tenants = list(await session.scalars(query))
    if len(tenants) == 1:
        return RedirectResponse(f"{PATH}/clinics/{tenants[0].slug}", 303)
    return render(request, "clinics.html", tenants=tenants)


@router.post("/sign-out", dependencies=[Requires(None, own=True, enrolling=True)])
async def sign_out(session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    return await AREA.sign_out(session, actor, platform)


@router.get("/clinics/{slug}", dependencies=[Requires("billing:read")])
async def show_clinic(tenant: KnownTenant, request: Request, session: Session, actor: CurrentActor, changed: bool = False) -> Response:
    return render(request, "clinic.html", tenant=tenant, at="overview", changed=changed, **await glance(session, tenant, actor))


@router.get("/clinics/{slug}/people", dependencies=[Requires("tenants:read")])
async def show_people(tenant: KnownTenant, request: Request, session: Session) -> Response:
    return await _people(request, session, tenant)


@router.post("/clinics/{slug}/people", dependencies=[Requires("tenants:grant")])
async def invite_owner(tenant: LockedTenant, request: Request, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    """Let somebody else see and change this clinic here; they are mailed where to sign in."""
    given = await typed(request, "email")
    say = words_of(request)
    try:
        address = str(InvitationRequest.model_validate({"owner_email": given["email"]}).owner_email).lower()
    except ValidationError:
        return await _people(request, session, tenant, problem=say("error.email"))
    now = platform.clock.now()
    account = await session.scalar(select(Account).where(Account.email == address))
    if account is not None and (account.kind is not Kind.OWNER or account.disabled_at is not None):
        # Whose account it is otherwise is nobody's business here.
        return await _people(request, session, tenant, problem=say("people.invite.unfit"))
    if account is None:
        name = address.partition("@")[0]
        account = await accounts.create_account(
            session, kind=Kind.OWNER, role=Role.OWNER, email=address, name=name, reseller_id=None, at=now
        )
        audit.record(session, actor, "account.created", at=now, account=str(account.id), email=address, role=account.role.value)
    granted = await accounts.grant(session, tenant, account_id=account.id, at=now)
    if granted.granted_at == now:
        audit.record(session, actor, "tenant.access_granted", at=now, tenant_id=tenant.id, account_id=str(account.id))
        link = f"{platform.settings.public_url.rstrip('/')}{PATH}/sign-in"
        await outbox.send(
            session,
            key=f"account-invited:{granted.id}",
            to=address,
            template="account_invited",
            locale=say.language,
            at=now,
            clinic=tenant.name,
            link=link,
            by=actor.id,
        )
    return RedirectResponse(f"{PATH}/clinics/{tenant.slug}/people", 303)


@router.post("/clinics/{slug}/people/{grant_id}/end", dependencies=[Requires("tenants:grant")])
async def end_access(grant_id: UUID, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    now = platform.clock.now()
    await accounts.end_grant(session, tenant, grant_id, at=now)
    audit.record(session, actor, "tenant.access_ended", at=now, tenant_id=tenant.id, grant=str(grant_id))
    return RedirectResponse(f"{PATH}/clinics/{tenant.slug}/people", 303)


@router.post("/clinics/{slug}/support/{request_id}/end", dependencies=[Requires("support:write")])
async def end_support(request_id: UUID, tenant: KnownTenant, session: Session, actor: CurrentActor, platform: ThisPlatform) -> Response:
    """The platform's support looks no longer into this clinic, at once."""
    await support.end(session, platform, await support.find(session, tenant, request_id, lock=True), actor=actor)
    return RedirectResponse(f"{PATH}/clinics/{tenant.slug}/people", 303)


async def _people(request: Request, session: Session, tenant: Tenant, *, problem: str | None = None) -> Response:
    in_force = (TenantGrant.tenant_id == tenant.id, TenantGrant.ended_at.is_(None))
    owners = select(TenantGrant, Account).join(Account, Account.id == TenantGrant.account_id).where(*in_force).order_by(Account.email)
    resellers = (
        select(TenantGrant, Reseller).join(Reseller, Reseller.id == TenantGrant.reseller_id).where(*in_force).order_by(Reseller.name)
    )
    return render(
        request,
        "people.html",
        422 if problem else 200,
        tenant=tenant,
        at="people",
        owners=[(grant, account) for grant, account in await session.execute(owners)],
        resellers=[(grant, reseller) for grant, reseller in await session.execute(resellers)],
        visits=await _visits(request, session, tenant),
        unfinished=UNFINISHED,
        problem=problem,
    )


async def _visits(request: Request, session: Session, tenant: Tenant) -> list[SupportRequest]:
    """What the platform's support asked of this clinic, the latest first; nothing for whom that is no business of."""
    if not request.state.actor.may("support:read"):
        return []
    query = select(SupportRequest).where(SupportRequest.tenant_id == tenant.id).order_by(SupportRequest.number.desc()).limit(SHOWN)
    return list(await session.scalars(query))
