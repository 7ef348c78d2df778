"""The pass over sign-ups that wait for a card: it opens what was paid, ends what never was, and leaves nothing at the provider."""

import logging
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, select

from control_plane.errors import DomainError
from control_plane.operations.steps.base import Tools
from control_plane.signup import reserving
from control_plane.signup.models import Reservation
from control_plane.signup.states import MACHINE, ReservationState

BATCH: Final = 20
KEPT: Final = timedelta(days=30)
"""How long what is over is remembered."""

log = logging.getLogger(__name__)


async def run(tools: Tools) -> None:
    """What is due, the oldest first. One that fails is put off and holds up no other."""
    platform = tools.platform
    now = platform.clock.now()
    open_ = Reservation.state.in_((ReservationState.WAITING, ReservationState.CLOSING))
    async with platform.database.transaction() as session:
        due = select(Reservation.id).where(open_, Reservation.due_at <= now).order_by(Reservation.due_at).limit(BATCH)
        ids = list(await session.scalars(due))
        over = Reservation.state.in_(MACHINE.final), Reservation.state_since < now - KEPT
        await session.execute(delete(Reservation).where(*over))
    for reservation_id in ids:
        try:
            await reserving.look(platform, reservation_id)
        except DomainError as error:
            log.warning("a sign-up is looked at again later: %s", error.message)
            await reserving.put_off(platform, reservation_id, error)
