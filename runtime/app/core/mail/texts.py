"""The words of the mails, in the clinic's language where we speak it."""

from collections.abc import Mapping
from typing import Final, Literal

from dentalpin_kit.mail import Mail

Purpose = Literal["invitation", "password_reset"]

_TEXTS: Final[Mapping[str, Mapping[Purpose, tuple[str, str]]]] = {
    "en": {
        "invitation": (
            "Your account at {clinic}",
            "Hello,\n\n{clinic} has made an account for you. Open this link to set your password and sign in:\n\n{link}\n\n"
            "The link works once and for seven days. If it runs out, ask the clinic for another one.\n\nDentalPin\n",
        ),
        "password_reset": (
            "Set a new password",
            "Hello,\n\nsomebody asked for a new password for your account. If it was you, open this link:\n\n{link}\n\n"
            "The link works once and for one hour. If it was not you, do nothing: your password stays as it is.\n\nDentalPin\n",
        ),
    },
    "es": {
        "invitation": (
            "Tu cuenta en {clinic}",
            "Hola:\n\n{clinic} ha creado una cuenta para ti. Abre este enlace para elegir tu contraseña y entrar:\n\n{link}\n\n"
            "El enlace sirve una sola vez y durante siete días. Si caduca, pide otro a la clínica.\n\nDentalPin\n",
        ),
        "password_reset": (
            "Elige una contraseña nueva",
            "Hola:\n\nalguien ha pedido una contraseña nueva para tu cuenta. Si has sido tú, abre este enlace:\n\n{link}\n\n"
            "El enlace sirve una sola vez y durante una hora. Si no has sido tú, no hagas nada: tu contraseña sigue igual.\n\nDentalPin\n",
        ),
    },
}


def account_mail(purpose: Purpose, *, key: str, to: str, link: str, clinic: str, locale: str) -> Mail:
    subject, text = _TEXTS.get(locale.partition("-")[0], _TEXTS["en"])[purpose]
    values = {"clinic": clinic, "link": link}
    return Mail(key=key, to=to, subject=subject.format(**values), text=text.format(**values))
