"""Invented people for a demonstration clinic.

Names are put together from common ones, mail goes to names under `.example` (RFC 2606), telephones are of the range kept for fiction, and
nobody has a national id.
"""

from datetime import date, timedelta
from typing import Final

from app.core.demos import DemoClinic
from app.core.plugins import ModuleContext

from . import normalise
from .schemas import PatientCreate
from .service import PatientService

HOW_MANY: Final = 24
_FIRST: Final = {
    "es": ("Lucía", "Mateo", "Carmen", "Hugo", "Sofía", "Pablo", "Elena", "Andrés", "Marta", "Javier", "Inés", "Tomás"),
    "en": ("Olivia", "Noah", "Grace", "Leo", "Amelia", "Oscar", "Ivy", "Arthur", "Freya", "Henry", "Ella", "George"),
}
_LAST: Final = {
    "es": ("Navarro Gil", "Iglesias Ferrer", "Ruiz Ortega", "Santos Vidal", "Molina Peña", "Campos Rey", "Lozano Prieto"),
    "en": ("Hughes", "Barker", "Ellis", "Chapman", "Doyle", "Fletcher", "Marsh"),
}
_NOTES: Final = {"es": "Persona inventada para la demostración.", "en": "Invented for the demonstration."}


async def fill(ctx: ModuleContext, clinic: DemoClinic) -> None:
    for number in range(HOW_MANY):
        await PatientService.create_patient(ctx.db, clinic.clinic_id, person(clinic, number))
    ctx.logger.info("%d invented patients written", HOW_MANY)


def person(clinic: DemoClinic, number: int) -> PatientCreate:
    """The same for the same number; no two of the first 84 share both names."""
    first, last = _FIRST[clinic.language], _LAST[clinic.language]
    first_name, last_name = first[number % len(first)], last[number % len(last)]
    mailbox = normalise.fold(f"{first_name}.{last_name}").replace(" ", ".")
    return PatientCreate(
        first_name=first_name,
        last_name=last_name,
        birth_date=_birthday(clinic.today, number),
        email=f"{mailbox}@patient.example",
        phone=f"+1 202 555 01{number % 100:02d}",
        notes=_NOTES[clinic.language],
    )


def _birthday(today: date, number: int) -> date:
    """From seven to about eighty years ago, spread so that a list sorted by it looks like a list."""
    return today - timedelta(days=365 * (7 + number * 31 % 74) + number * 97 % 365)
