"""Agents of the agenda. They need no language model: what they decide is plain, and they reach the data through tools like any other."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.core.agents import AgentContext, AgentMode, AgentResult, BaseAgent

MOST_DAYS = 14


@dataclass(frozen=True, slots=True)
class _Booking:
    id: str
    cabinet_id: str | None
    starts_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, row: dict[str, Any]) -> "_Booking":
        return cls(row["id"], row["cabinet_id"], datetime.fromisoformat(row["starts_at"]), datetime.fromisoformat(row["ends_at"]))

    def overlaps(self, other: "_Booking") -> bool:
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at


class CabinetPlanner(BaseAgent):
    """Gives upcoming appointments without a cabinet one that is free then, the clinic's first one first."""

    name = "plan_cabinets"
    title = "Plan cabinets"
    mode = AgentMode.SUPERVISED
    allowed_tools = ("agenda.list_upcoming_appointments", "agenda.list_cabinets", "agenda.change_cabinet")

    async def process(self, ctx: AgentContext) -> AgentResult:
        days = min(MOST_DAYS, max(1, int(ctx.input.get("days", 1))))
        cabinets = await ctx.tools.call(ctx, "agenda.list_cabinets", {})
        upcoming = await ctx.tools.call(ctx, "agenda.list_upcoming_appointments", {"days": days, "limit": 100})
        for result in (cabinets, upcoming):
            if result.error is not None:
                return AgentResult(ok=False, summary=str(result.error))
        open_rows = [row for row in upcoming.data["appointments"] if row["status"] not in ("cancelled", "no_show")]
        plan = planned([_Booking.of(row) for row in open_rows], [row["id"] for row in cabinets.data["cabinets"]])
        waiting = done = refused = 0
        for appointment_id, cabinet_id in plan.items():
            result = await ctx.tools.call(ctx, "agenda.change_cabinet", {"appointment_id": appointment_id, "cabinet_id": cabinet_id})
            waiting, done, refused = waiting + result.waiting, done + result.ok, refused + (not result.ok and not result.waiting)
        summary = f"{done} appointments were given a cabinet, {waiting} wait for approval, {refused} were refused."
        return AgentResult(ok=not refused, summary=summary, data={"done": done, "waiting": waiting, "refused": refused})


def planned(bookings: Iterable[_Booking], cabinets: list[str]) -> dict[str, str]:
    """A free cabinet for each booking that has none, as far as there are any; a pure function of what is booked."""
    known = list(bookings)
    held = [(booking.cabinet_id, booking) for booking in known if booking.cabinet_id is not None]
    plan: dict[str, str] = {}
    for booking in sorted((each for each in known if each.cabinet_id is None), key=lambda each: (each.starts_at, each.id)):
        taken = {cabinet for cabinet, other in held if booking.overlaps(other)}
        free = next((cabinet for cabinet in cabinets if cabinet not in taken), None)
        if free is not None:
            plan[booking.id] = free
            held.append((free, booking))
    return plan
