from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from typing import Protocol


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


def message_of(mail: Mail, sender: str) -> EmailMessage:
    """The mail as an RFC 5322 message. Lines are not folded: a link must survive whole."""
    message = EmailMessage(policy=SMTP.clone(max_line_length=0))
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    message["Message-ID"] = f"<{mail.key}@{domain}>"
    message.set_content(mail.text, cte="8bit")
    return message
