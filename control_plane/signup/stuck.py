"""Sign-ups whose time is over and which still have something at the payment provider, or were never looked at."""

from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.signup.models import Reservation
from control_plane.signup.states import MACHINE
from control_plane.stuck.schemas import StuckOut, WayOut
from control_plane.transitions import Standing
from dentalpin_kit.problems import ErrorClass

MOST: Final = 200


async def stuck_signups(session: AsyncSession, at: datetime) -> list[StuckOut]:
    under_way = Reservation.state.in_(MACHINE.standing(Standing.UNDER_WAY))
    query = select(Reservation).where(under_way, Reservation.deadline < at).order_by(Reservation.deadline).limit(MOST)
    return [
        StuckOut(
            what="signup",
            id=str(row.id),
            tenant=None,
            state=row.state,
            since=row.deadline,
            age_seconds=(at - row.deadline).total_seconds(),
            deadline=row.deadline,
            reason=row.reason or "Its deadline passed and nobody looked at it: no worker runs, or none can reach the payment provider.",
            error_class=ErrorClass.US,
            ways_out=[WayOut(action="see what the provider answers", request="GET /v1/payments/providers")],
            runbook=f"signup-{row.state}.md",
        )
        for row in await session.scalars(query)
    ]
