"""Windows and idle times as the API takes and shows them."""

from datetime import datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from control_plane.maintenance.rest import Go, NotBefore, Rest
from control_plane.maintenance.windows import Window


def _to_the_minute(moment: time) -> time:
    if moment.tzinfo is not None or moment.second or moment.microsecond:
        raise ValueError("must be a time of the clinic's own day, to the minute, such as 22:30")
    return moment


Minute = Annotated[time, AfterValidator(_to_the_minute)]


class NewWindow(BaseModel):
    """Hours of the clinic's own wall clock; an end before the start is on the following day."""

    model_config = ConfigDict(extra="forbid")

    start: Minute
    end: Minute
    days: Annotated[frozenset[Annotated[int, Field(ge=0, le=6)]], Field(min_length=1)] = frozenset(range(7))
    """On which the window begins: 0 is Monday."""

    @model_validator(mode="after")
    def _lasts(self) -> "NewWindow":
        if self.start == self.end:
            raise ValueError("start and end are the same time: a window of no length never opens")
        return self

    @property
    def window(self) -> Window:
        return Window(self.start, self.end, self.days)


class WindowOut(BaseModel):
    start: str
    end: str
    days: list[int]
    timezone: str
    usual: bool
    """Whether the clinic chose none, and has the one of everybody."""
    opens: datetime
    """When it opens next, or opened last where it is open now."""
    closes: datetime

    @classmethod
    def of(cls, window: Window, zone: ZoneInfo, *, usual: bool, at: datetime) -> "WindowOut":
        span = next(window.openings(zone, at))
        return cls(
            start=window.start.isoformat("minutes"),
            end=window.end.isoformat("minutes"),
            days=sorted(window.days),
            timezone=zone.key,
            usual=usual,
            opens=span.start,
            closes=span.end,
        )


class SlotOut(BaseModel):
    start: datetime
    end: datetime


class RestOut(BaseModel):
    """When nobody is at work there, and whether a restart of this length would begin now."""

    now: bool
    not_before: datetime | None
    reason: str | None
    unknown: str | None
    """Why the runtime cannot say; then only the window protects the clinic."""
    slots: list[SlotOut]

    @classmethod
    def of(cls, rest: Rest, decision: Go | NotBefore) -> "RestOut":
        later = decision if isinstance(decision, NotBefore) else None
        return cls(
            now=later is None,
            not_before=later.at if later else None,
            reason=later.reason if later else None,
            unknown=rest.unknown,
            slots=[SlotOut(start=slot.start, end=slot.end) for slot in rest.slots],
        )
