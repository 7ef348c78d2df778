"""Mails by SMTP: `smtp://user:password@host:587` (STARTTLS where offered) or `smtps://host:465`."""

import asyncio
import smtplib
import ssl
from typing import ClassVar, Final
from urllib.parse import unquote, urlsplit

from control_plane.errors import TemporaryError
from control_plane.mail.base import Mail, message_of

TIMEOUT_SECONDS: Final = 20.0


class MailNotSent(TemporaryError):
    code: ClassVar[str] = "mail_not_sent"


class SmtpMailer:
    def __init__(self, url: str, sender: str) -> None:
        self._url = urlsplit(url)
        if self._url.scheme not in ("smtp", "smtps") or not self._url.hostname:
            raise ValueError("DENTALPIN_SMTP_URL must be smtp://[user:password@]host[:port] or smtps://…")
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        await asyncio.to_thread(self._send, mail)

    def _send(self, mail: Mail) -> None:
        host = self._url.hostname or ""
        try:
            with self._connect(host) as server:
                if self._url.username:
                    server.login(unquote(self._url.username), unquote(self._url.password or ""))
                server.send_message(message_of(mail, self._sender))
        except (OSError, smtplib.SMTPException) as error:
            raise MailNotSent(f"The mail server {host} did not take the mail ({type(error).__name__}). It is tried again.") from error

    def _connect(self, host: str) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._url.scheme == "smtps":
            return smtplib.SMTP_SSL(host, self._url.port or 465, timeout=TIMEOUT_SECONDS, context=context)
        server = smtplib.SMTP(host, self._url.port or 587, timeout=TIMEOUT_SECONDS)
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=context)
        return server
