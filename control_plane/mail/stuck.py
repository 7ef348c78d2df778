"""Mails that need somebody: given up, or due for long while no worker sends any."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.mail.models import OutgoingMail
from control_plane.mail.states import MailState
from control_plane.stuck.schemas import MOST, StuckOut, WayOut
from dentalpin_kit.problems import ErrorClass

GRACE: Final = timedelta(minutes=15)
MISSED_FOR: Final = timedelta(days=14)
"""Nobody waits for a mail that is older."""


async def stuck_mails(session: AsyncSession, at: datetime) -> list[StuckOut]:
    failed = and_(OutgoingMail.state == MailState.FAILED, OutgoingMail.give_up_at > at - MISSED_FOR)
    late = and_(OutgoingMail.state == MailState.WAITING, OutgoingMail.due_at < at - GRACE)
    query = select(OutgoingMail).where(or_(failed, late)).order_by(OutgoingMail.number).limit(MOST)
    return [_shown(mail, at) for mail in await session.scalars(query)]


def _shown(mail: OutgoingMail, at: datetime) -> StuckOut:
    gave_up = mail.state is MailState.FAILED
    # What no mail server will ever take is given up before its time.
    since = min(mail.give_up_at, at) if gave_up else mail.due_at
    return StuckOut(
        what="mail",
        id=str(mail.id),
        tenant=None,
        state=mail.state,
        since=since,
        age_seconds=(at - since).total_seconds(),
        deadline=None if gave_up else mail.give_up_at,
        reason=mail.reason or "It is due and no worker sends it: none runs, or none can reach the database.",
        error_class=ErrorClass.US,
        ways_out=[WayOut(action="send again", request=f"POST /v1/mails/{mail.id}/send-again")] if gave_up else [],
        runbook=f"mail-{mail.state.value}.md",
    )
