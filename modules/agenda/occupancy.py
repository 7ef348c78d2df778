"""When the agenda says that a clinic has patients, for whoever would like to restart it."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.occupancy import Period

from .models import Appointment
from .states import FREEING, AppointmentStatus

OVERRUN = timedelta(minutes=15)
"""How much longer a treatment is taken to last that is past its end and not completed; asked again later, it may be longer."""
FORGOTTEN = timedelta(hours=4)
"""How long after its end a treatment counts that nobody completed: then somebody forgot to say so."""
_UNDER_WAY = (AppointmentStatus.CHECKED_IN, AppointmentStatus.IN_TREATMENT)


async def busy_periods(db: AsyncSession, clinic_id: UUID, within: Period) -> list[Period]:
    """Each appointment that is planned within the time, and whoever is in the house or in the chair beyond the planned end."""
    planned = select(Appointment.starts_at, Appointment.ends_at).where(
        Appointment.clinic_id == clinic_id,
        Appointment.status.not_in([*FREEING, AppointmentStatus.COMPLETED]),
        Appointment.starts_at < within.end,
        Appointment.ends_at > within.start,
    )
    late = select(Appointment.starts_at).where(
        Appointment.clinic_id == clinic_id,
        Appointment.status.in_(_UNDER_WAY),
        Appointment.ends_at <= within.start,
        Appointment.ends_at > within.start - FORGOTTEN,
    )
    early = select(Appointment.ends_at).where(
        Appointment.clinic_id == clinic_id, Appointment.status.in_(_UNDER_WAY), Appointment.starts_at > within.start
    )
    return [
        *(Period(start, end) for start, end in await db.execute(planned)),
        *(Period(start, within.start + OVERRUN) for start in await db.scalars(late)),
        # Taken in before the planned time.
        *(Period(within.start, end) for end in await db.scalars(early)),
    ]
