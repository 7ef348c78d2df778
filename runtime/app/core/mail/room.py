"""Sending mail behind a request: nothing waits for a mail server, and nothing is sent for a transaction that did not commit.

What became of a mail stands at its link, where an administrator sees it. A process that ends waits for what is under way; what a crash
takes along is asked for again by whoever waits for the mail.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import func, update

from app.core.auth.models import AccountLink
from app.database import Database, unit_of_work
from dentalpin_kit.mail import FolderMailer, Mail, Mailer, SmtpMailer
from dentalpin_kit.problems import TemporaryError

logger = logging.getLogger(__name__)

PAUSES: Final = (2.0, 15.0, 60.0)
"""Seconds before the second and further tries."""
GRACE: Final = 25.0
"""Seconds an ending process waits for mails under way; longer than one try at a mail server."""


def build_mailer(*, smtp_url: str | None, folder: Path | None, sender: str) -> Mailer | None:
    """SMTP where an address is configured, files where a folder is; without either this runtime sends no mail."""
    if smtp_url is not None:
        return SmtpMailer(smtp_url, sender)
    return FolderMailer(folder, sender) if folder is not None else None


class MailRoom:
    def __init__(self, mailer: Mailer | None, database: Database, *, pauses: Sequence[float] = PAUSES) -> None:
        self._mailer = mailer
        self._database = database
        self._pauses = pauses
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> bool:
        """Whether mails can be sent at all."""
        return self._mailer is not None

    @property
    def busy(self) -> bool:
        return bool(self._under_way)

    def start(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do this after the request; made for `UnitOfWork.after_commit`."""

        async def run() -> None:
            try:
                await work()
            except Exception:
                logger.exception("what was to be mailed could not be prepared")

        task = asyncio.get_running_loop().create_task(run(), name="mail")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def send(self, mail: Mail, link_id: UUID) -> None:
        """Send with a few tries, and note at the link what became of it. The address is not logged."""
        assert self._mailer is not None
        for pause in (*self._pauses, None):
            try:
                await self._mailer.send(mail)
            except TemporaryError as error:
                reason = error.message
                if pause is None:
                    break
                await asyncio.sleep(pause)
            else:
                await self._note(link_id, None)
                return
        logger.error("the mail of link %s was not sent: %s", link_id, reason)
        await self._note(link_id, reason)

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def close(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=GRACE)
        for task in self._under_way:
            task.cancel()

    async def _note(self, link_id: UUID, error: str | None) -> None:
        values = {"sent_at": func.now(), "send_error": None} if error is None else {"send_error": error[:200]}
        async with unit_of_work(database=self._database) as session:
            await session.execute(update(AccountLink).where(AccountLink.id == link_id).values(**values))
