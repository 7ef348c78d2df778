"""Writing mails: a row in the caller's transaction, so that a mail goes out if and only if the deed it tells of stands.

A pass delivers it (control_plane.mail.delivery).
"""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.mail.errors import MailNotFailed, UnknownMail
from control_plane.mail.models import OutgoingMail
from control_plane.mail.states import MailEvent, MailState
from control_plane.mail.writing import write

TRIED_FOR: Final = timedelta(days=3)
KEPT_FOR: Final = timedelta(days=180)


async def send(
    session: AsyncSession, *, key: str, to: str, template: str, locale: str, at: datetime, tenant_id: UUID | None = None, **values: Any
) -> bool:
    """Write the mail `template` with `values`, in the locale's language; False where one with this key was written before.

    `at` is now, by the platform's clock. Raises jinja2.TemplateNotFound, and jinja2.UndefinedError for a value that is missing.
    """
    subject, text = write(template=template, locale=locale, **values)
    mail = {
        "key": key,
        "tenant_id": tenant_id,
        "to": to,
        "template": template,
        "locale": locale,
        "subject": subject,
        "text": text,
        "due_at": at,
        "give_up_at": at + TRIED_FOR,
        "created_at": at,
    }
    written = insert(OutgoingMail).values(**mail).on_conflict_do_nothing(index_elements=["key"]).returning(OutgoingMail.id)
    return await session.scalar(written) is not None


async def get(session: AsyncSession, mail_id: UUID, *, lock: bool = False) -> OutgoingMail:
    """Raises UnknownMail."""
    mail = await session.get(OutgoingMail, mail_id, with_for_update=lock or None)
    if mail is None:
        raise UnknownMail(mail_id)
    return mail


async def send_again(session: AsyncSession, mail_id: UUID, *, at: datetime) -> OutgoingMail:
    """Try a mail again that was given up. Raises UnknownMail, MailNotFailed."""
    mail = await get(session, mail_id, lock=True)
    if mail.state is not MailState.FAILED:
        raise MailNotFailed(mail_id, mail.state)
    mail.move(MailEvent.ASKED_AGAIN)
    mail.attempts, mail.due_at, mail.give_up_at = 0, at, at + TRIED_FOR
    await session.flush()
    return mail


async def forget(session: AsyncSession, tenant_id: UUID) -> int:
    """Erase what is kept of a tenant's mails, sent or not; how many there were."""
    gone = await session.scalars(delete(OutgoingMail).where(OutgoingMail.tenant_id == tenant_id).returning(OutgoingMail.id))
    return len(gone.all())


async def forget_address(session: AsyncSession, address: str) -> None:
    """Erase what was written to somebody about no clinic: links to sign in."""
    await session.execute(delete(OutgoingMail).where(OutgoingMail.tenant_id.is_(None), func.lower(OutgoingMail.to) == address))


async def forget_old(session: AsyncSession, *, at: datetime) -> None:
    """Drop what was sent or given up long ago."""
    over = select(OutgoingMail.id).where(OutgoingMail.created_at < at - KEPT_FOR, OutgoingMail.state != MailState.WAITING)
    await session.execute(delete(OutgoingMail).where(OutgoingMail.id.in_(over)))
