"""The invitation: sent by the step itself and not by the outbox, so that its operation knows whether it went out."""

from control_plane.mail.writing import write
from dentalpin_kit.mail import Mail


def invitation_mail(*, key: str, to: str, clinic: str, link: str, days: int, locale: str) -> Mail:
    subject, text = write(template="invitation", locale=locale, clinic=clinic, link=link, days=days)
    return Mail(key=key, to=to, subject=subject, text=text)
