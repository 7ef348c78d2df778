"""Handing written mails to the mail server. Nothing is locked while it is spoken to: a mail is put off before it is sent and marked after,
so whoever dies in between sends the very same mail again, which its Message-ID makes known.
"""

import asyncio
import logging
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select

from control_plane.errors import TemporaryError
from control_plane.mail.models import OutgoingMail
from control_plane.mail.states import MailEvent, MailState
from control_plane.operations.steps.base import Tools
from control_plane.platform import Platform
from dentalpin_kit.logs import scrub
from dentalpin_kit.mail import Mail

BATCH: Final = 20
AT_ONCE: Final = 4
TAKEN_FOR: Final = timedelta(minutes=5)
"""How long a mail that is being sent is nobody else's: longer than a whole batch may take."""
FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(hours=1)

log = logging.getLogger(__name__)


async def run(tools: Tools) -> None:
    """The pass."""
    await deliver(tools.platform)


async def deliver(platform: Platform) -> None:
    """Send what is due. What cannot be sent is due again later, until it is given up with the reason."""
    while True:
        batch = await _take(platform)
        for start in range(0, len(batch), AT_ONCE):
            await asyncio.gather(*(_send(platform, mail_id, mail) for mail_id, mail in batch[start : start + AT_ONCE]))
        if len(batch) < BATCH:
            return


async def _take(platform: Platform) -> list[tuple[UUID, Mail]]:
    now = platform.clock.now()
    query = select(OutgoingMail).where(OutgoingMail.state == MailState.WAITING, OutgoingMail.due_at <= now)
    async with platform.database.transaction() as session:
        due = await session.scalars(query.order_by(OutgoingMail.due_at, OutgoingMail.number).limit(BATCH).with_for_update(skip_locked=True))
        taken = []
        for mail in due:
            assert mail.text is not None  # held by a constraint
            mail.due_at, mail.attempts = now + TAKEN_FOR, mail.attempts + 1
            taken.append((mail.id, Mail(key=mail.key, to=mail.to, subject=mail.subject, text=mail.text)))
    return taken


async def _send(platform: Platform, mail_id: UUID, mail: Mail) -> None:
    try:
        await platform.mailer.send(mail)
    except TemporaryError as error:
        await _put_off(platform, mail_id, error.message)
    except Exception as error:
        # An address or a subject that cannot be written as a header: no later attempt would go better.
        log.exception("a mail cannot be sent")
        await _put_off(platform, mail_id, scrub(f"It cannot be sent as it is ({type(error).__name__}: {error})."), hopeless=True)
    else:
        async with platform.database.transaction() as session:
            sent = await session.get(OutgoingMail, mail_id, with_for_update=True)
            if sent is not None and sent.state is MailState.WAITING:
                sent.move(MailEvent.TAKEN)
                sent.sent_at, sent.text = platform.clock.now(), None


async def _put_off(platform: Platform, mail_id: UUID, reason: str, *, hopeless: bool = False) -> None:
    now = platform.clock.now()
    async with platform.database.transaction() as session:
        mail = await session.get(OutgoingMail, mail_id, with_for_update=True)
        if mail is None or mail.state is not MailState.WAITING:
            return
        mail.reason = reason
        mail.due_at = now + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(mail.attempts - 1, 10))
        if hopeless or now >= mail.give_up_at:
            mail.move(MailEvent.GAVE_UP, reason=reason)
            log.error("gave up the mail %s: %s", mail.key, reason)
