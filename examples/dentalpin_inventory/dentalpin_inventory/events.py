from sqlalchemy.ext.asyncio import AsyncSession

from uuid import UUID
from . import service


async def on_appointment_completed(db: AsyncSession, data: dict) -> None:
    """Consume stock based on the appointment's treatments."""
    # Reach into your service layer here.
    await service.consume_for_appointment(db, UUID(data["clinic_id"]), UUID(data["appointment_id"]))
