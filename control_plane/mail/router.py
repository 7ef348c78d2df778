"""/v1/mails: what the platform wrote to people, and what became of it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import select

from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.audit import service as audit
from control_plane.mail import outbox
from control_plane.mail.models import OutgoingMail
from control_plane.mail.schemas import MailList, MailOut
from control_plane.mail.states import MailState
from control_plane.pagination import WantedPage, page

router = APIRouter(prefix="/mails", tags=["mails"], route_class=PlatformRoute)


@router.get("", dependencies=[Requires("mails:read")])
async def list_mails(
    session: Session,
    actor: CurrentActor,
    wanted: WantedPage,
    state: MailState | None = None,
    tenant_id: Annotated[UUID | None, Query(description="Only mails about this tenant.")] = None,
    template: str | None = None,
) -> MailList:
    """Mails, the last written first."""
    query = select(OutgoingMail)
    for column, value in ((OutgoingMail.state, state), (OutgoingMail.tenant_id, tenant_id), (OutgoingMail.template, template)):
        if value is not None:
            query = query.where(column == value)
    found = await page(session, query, OutgoingMail.number, wanted=wanted, descending=True)
    return MailList(items=[MailOut.of(mail) for mail in found.items], next=found.next)


@router.get("/{mail_id}", dependencies=[Requires("mails:read")])
async def get_mail(mail_id: UUID, session: Session, actor: CurrentActor) -> MailOut:
    return MailOut.of(await outbox.get(session, mail_id))


@router.post("/{mail_id}/send-again", status_code=202, dependencies=[Requires("mails:write")])
async def send_mail_again(mail_id: UUID, session: Session, actor: CurrentActor, platform: ThisPlatform) -> MailOut:
    """Try a mail again that was given up, for another three days."""
    now = platform.clock.now()
    mail = await outbox.send_again(session, mail_id, at=now)
    audit.record(session, actor, "mail.sent_again", at=now, tenant_id=mail.tenant_id, mail=str(mail.id), template=mail.template)
    return MailOut.of(mail)
