"""What a module does when nobody asks it: handlers that can be called, events declared as they must be, jobs whose moments can be read."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from app.core.events.declared import declarations
from app.core.events.errors import EventDeclarationInvalid, HandlerSignature
from app.core.events.handlers import subscriptions
from app.core.jobs.errors import JobInvalid
from app.core.jobs.scheduled import jobs_of
from app.core.jobs.triggers import next_run
from app.core.plugins.loader import DiscoveredModule

from .issues import Issue, issue
from .surroundings import Surroundings

# Any moment and zone do: what is checked is whether the trigger can be read.
_MOMENT: Final = datetime(2026, 1, 1, tzinfo=UTC)


def background_issues(found: DiscoveredModule, _: Surroundings) -> Iterator[Issue]:
    module, name = found.module, found.name
    readings: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("HANDLER_SIGNATURE", lambda: subscriptions(name, module.get_event_handlers())),
        ("EVENT_DECLARATION", lambda: declarations(name, module.get_events())),
        ("JOB_INVALID", lambda: [next_run(job, _MOMENT, "UTC") for job in jobs_of(name, module.get_scheduled_jobs())]),
    )
    for code, read in readings:
        try:
            read()
        except (HandlerSignature, EventDeclarationInvalid, JobInvalid) as error:
            yield issue(code, error.message, name)
