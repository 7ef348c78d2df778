"""The words of the invitation, in the clinic's language where the platform speaks it."""

from dentalpin_kit.mail import Mail

_TEXTS = {
    "es": (
        "Su clínica {clinic} está lista",
        "Hola:\n\nLa clínica «{clinic}» está lista. Abra este enlace para poner su contraseña y entrar:\n\n{link}\n\n"
        "El enlace sirve una sola vez y durante {days} días. Si caduca, pida otro: el anterior deja de valer.\n\nDentalPin\n",
    ),
    "en": (
        "Your clinic {clinic} is ready",
        "Hello,\n\nthe clinic “{clinic}” is ready. Open this link to set your password and sign in:\n\n{link}\n\n"
        "The link works once and for {days} days. If it runs out, ask for another one: the earlier one then stops working.\n\nDentalPin\n",
    ),
}


def invitation_mail(*, key: str, to: str, clinic: str, link: str, days: int, locale: str) -> Mail:
    subject, text = _TEXTS.get(locale.partition("-")[0], _TEXTS["en"])
    values = {"clinic": clinic, "link": link, "days": days}
    return Mail(key=key, to=to, subject=subject.format(**values), text=text.format(**values))
