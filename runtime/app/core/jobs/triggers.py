"""When a job is to run next. The rules of time are APScheduler's; only its triggers are used, and imported when one is asked."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .errors import JobInvalid
from .scheduled import Job

if TYPE_CHECKING:
    from apscheduler.triggers.base import BaseTrigger

_TICK: Final = timedelta(microseconds=1)


def next_run(job: Job, after: datetime, timezone: str, *, anchor: datetime | None = None) -> datetime | None:
    """The first moment later than `after`; None if there is none any more. Moments missed meanwhile are not made up for.

    An interval is counted from `anchor`, the moment of the run before, so that it does not drift by how long runs take.
    Raises JobInvalid if the trigger cannot be read.
    """
    try:
        trigger = _trigger(job, after if anchor is None else anchor, timezone)
        moment: datetime | None = trigger.get_next_fire_time(None, after + _TICK)
    except (TypeError, ValueError, LookupError) as error:
        raise JobInvalid(job.module, job.id, f"its {job.trigger} trigger cannot be read ({error})") from error
    return None if moment is None else moment.astimezone(UTC)


def _trigger(job: Job, anchor: datetime, timezone: str) -> "BaseTrigger":
    zone = _zone(timezone)
    arguments: dict[str, Any] = {"timezone": zone, **job.arguments}
    if job.trigger == "cron":
        from apscheduler.triggers.cron import CronTrigger

        return CronTrigger(**arguments)
    from apscheduler.triggers.interval import IntervalTrigger

    if not any(job.arguments.get(unit) for unit in ("weeks", "days", "hours", "minutes", "seconds")):
        raise JobInvalid(job.module, job.id, "an interval needs weeks, days, hours, minutes or seconds")
    return IntervalTrigger(**{"start_date": anchor.astimezone(zone), **arguments})


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        # A clinic's row may hold what this machine does not know; its jobs run all the same.
        return ZoneInfo("UTC")
