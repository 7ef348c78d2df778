"""Mail to people: by SMTP, or as files on disk where people and tests can read them. Nothing here knows what a mail says."""

import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Protocol
from urllib.parse import unquote, urlsplit

from dentalpin_kit.problems import TemporaryError

if TYPE_CHECKING:
    import smtplib
    from email.message import EmailMessage

TIMEOUT_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Mail:
    """`key` names this very mail: sending it again replaces it or is recognised by its Message-ID, it is never a second one."""

    key: str
    to: str
    subject: str
    text: str


class Mailer(Protocol):
    async def send(self, mail: Mail) -> None:
        """Hand the mail over. Raises TemporaryError when that may work later."""
        ...


class MailNotSent(TemporaryError):
    code: ClassVar[str] = "mail_not_sent"


def message_of(mail: Mail, sender: str) -> "EmailMessage":
    """The mail as an RFC 5322 message. Lines are not folded: a link must survive whole."""
    # Imported with the first mail: a waking runtime sends none.
    from email.message import EmailMessage
    from email.policy import SMTP
    from email.utils import parseaddr

    message = EmailMessage(policy=SMTP.clone(max_line_length=0))
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    message["Message-ID"] = f"<{mail.key}@{domain}>"
    message.set_content(mail.text, cte="8bit")
    return message


class FolderMailer:
    """Mails as .eml files. One file per mail; sending again overwrites it."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        content = message_of(mail, self._sender).as_bytes().decode("utf-8").replace("\r\n", "\n")
        await asyncio.to_thread(self._write, f"{re.sub(r'[^A-Za-z0-9._-]', '_', mail.key)}.eml", content)

    def _write(self, name: str, content: str) -> None:
        """Whole or not at all, and 0600: a link in a mail is a key to a clinic."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._folder / f".{name}.{os.getpid()}"
        descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self._folder / name)


class SmtpMailer:
    """`smtp://user:password@host:587` (STARTTLS where offered) or `smtps://host:465`."""

    def __init__(self, url: str, sender: str) -> None:
        self._url = urlsplit(url)
        if self._url.scheme not in ("smtp", "smtps") or not self._url.hostname:
            raise ValueError("DENTALPIN_SMTP_URL must be smtp://[user:password@]host[:port] or smtps://…")
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        await asyncio.to_thread(self._send, mail)

    def _send(self, mail: Mail) -> None:
        import smtplib

        host = self._url.hostname or ""
        try:
            with self._connect(host) as server:
                if self._url.username:
                    server.login(unquote(self._url.username), unquote(self._url.password or ""))
                server.send_message(message_of(mail, self._sender))
        except (OSError, smtplib.SMTPException) as error:
            raise MailNotSent(f"The mail server {host} did not take the mail ({type(error).__name__}). It is tried again.") from error

    def _connect(self, host: str) -> "smtplib.SMTP":
        import smtplib
        import ssl

        context = ssl.create_default_context()
        if self._url.scheme == "smtps":
            return smtplib.SMTP_SSL(host, self._url.port or 465, timeout=TIMEOUT_SECONDS, context=context)
        server = smtplib.SMTP(host, self._url.port or 587, timeout=TIMEOUT_SECONDS)
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=context)
        return server
