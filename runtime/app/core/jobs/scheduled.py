"""What a module says about its jobs, and how the core calls them.

`ScheduledJob` has the fields modules of the public application give theirs; an object or a mapping with the same fields is taken too.
"""

import hashlib
import inspect
import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from .errors import JobInvalid

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

TIMEOUT: Final = timedelta(minutes=10)
LONGEST_TIMEOUT: Final = timedelta(hours=2)
TRIGGERS: Final = ("cron", "interval")
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,119}")
_SESSION: Final = frozenset({"db", "session"})
_CONTEXT: Final = frozenset({"ctx", "context"})
_CLINIC: Final = "clinic_id"


@dataclass(frozen=True)
class ScheduledJob:
    """`func` runs when `trigger` says, once per active clinic, in a transaction of its own with that clinic set.

    `trigger` is `cron` (`trigger_args`: `minute`, `hour`, `day`, `month`, `day_of_week` …, in the clinic's own time zone) or `interval`
    (`weeks`, `days`, `hours`, `minutes`, `seconds`); both as APScheduler's triggers take them. `func` is `async def` and takes any of
    `db` (the session), `clinic_id` and `ctx` (a JobContext), or nothing. A plain function is run in a thread and gets no session.
    """

    id: str
    func: Callable[..., Any]
    trigger: str
    name: str = ""
    trigger_args: Mapping[str, Any] = field(default_factory=dict)
    max_instances: int = 1
    """For how many clinics it may run at once in one process; for one clinic it never runs twice at once."""
    scope: Literal["clinic", "tenant"] = "clinic"
    """`tenant`: once for all clinics, with none set, so that no clinic's rows are visible."""
    timeout: timedelta = TIMEOUT
    wakes: bool = True
    """Whether a sleeping runtime is woken for it (at most once an hour); otherwise it runs at the next visit."""


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a job may ask for as `ctx`."""

    db: "AsyncSession"
    clinic_id: UUID | None
    module: str
    job: str
    scheduled_for: datetime
    logger: logging.Logger


@dataclass(frozen=True, slots=True)
class Job:
    """A job of one module, checked."""

    module: str
    id: str
    name: str
    trigger: str
    arguments: Mapping[str, Any]
    per_clinic: bool
    max_instances: int
    timeout: timedelta
    wakes: bool
    run: Callable[[JobContext], Awaitable[None]] = field(repr=False)

    @property
    def key(self) -> tuple[str, str]:
        return self.module, self.id

    @property
    def when(self) -> str:
        """The trigger in words people can compare with what they wrote."""
        return f"{self.trigger}: {', '.join(f'{name}={value}' for name, value in self.arguments.items()) or 'always'}"

    def definition(self, timezone: str) -> str:
        """Equal as long as the same moments follow."""
        text = json.dumps([self.trigger, dict(self.arguments), timezone, self.per_clinic, self.name], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def jobs_of(module: str, given: Iterable[Any]) -> tuple[Job, ...]:
    """What `get_scheduled_jobs()` says, checked but for the moments, which `triggers` reads. Raises JobInvalid."""
    found: dict[str, Job] = {}
    for each in given:
        job = _checked(module, each)
        if job.id in found:
            raise JobInvalid(module, job.id, "two jobs have this id; give each its own")
        found[job.id] = job
    return tuple(found.values())


def _checked(module: str, given: Any) -> Job:
    def read(name: str, default: Any = None) -> Any:
        return given.get(name, default) if isinstance(given, Mapping) else getattr(given, name, default)

    job_id = str(read("id") or "")
    if not _ID.fullmatch(job_id):
        raise JobInvalid(module, job_id[:120], "its id must be up to 120 letters, digits and any of _ . : -")
    func = read("func")
    if not callable(func):
        raise JobInvalid(module, job_id, "its func is no function")
    trigger, arguments = read("trigger"), read("trigger_args") or {}
    if trigger not in TRIGGERS or not isinstance(arguments, Mapping):
        raise JobInvalid(module, job_id, f"its trigger must be one of {', '.join(TRIGGERS)}, with trigger_args as a mapping")
    scope, instances, timeout = read("scope", "clinic"), read("max_instances", 1), read("timeout", TIMEOUT)
    if scope not in ("clinic", "tenant"):
        raise JobInvalid(module, job_id, "its scope must be clinic or tenant")
    if not isinstance(instances, int) or instances < 1:
        raise JobInvalid(module, job_id, "max_instances must be a number from 1 on")
    if not isinstance(timeout, timedelta) or not timedelta(0) < timeout <= LONGEST_TIMEOUT:
        raise JobInvalid(module, job_id, "its timeout must be a timedelta of up to two hours; do longer work in parts")
    return Job(
        module,
        job_id,
        str(read("name") or job_id)[:200],
        trigger,
        dict(arguments),
        scope == "clinic",
        instances,
        timeout,
        bool(read("wakes", True)),
        _call(module, job_id, func),
    )


def _call(module: str, job: str, func: Callable[..., Any]) -> Callable[[JobContext], Awaitable[None]]:
    """A function that calls `func` the way it is written."""
    needed = [
        each
        for each in inspect.signature(func).parameters.values()
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        and (each.default is each.empty or each.name in _SESSION | _CONTEXT | {_CLINIC})
    ]
    unknown = [each.name for each in needed if each.name not in _SESSION | _CONTEXT | {_CLINIC}]
    if unknown:
        raise JobInvalid(module, job, f"nobody knows what to give {', '.join(unknown)}; a job takes db, clinic_id, ctx or nothing")
    awaits = inspect.iscoroutinefunction(inspect.unwrap(getattr(func, "func", func))) or inspect.iscoroutinefunction(
        getattr(func, "__call__", None)  # noqa: B004 - an object whose call is asynchronous
    )
    if not awaits and any(each.name in _SESSION | _CONTEXT for each in needed):
        raise JobInvalid(module, job, "a job that takes a session must be written as `async def`")

    async def run(context: JobContext) -> None:
        values: dict[str, Any] = {}
        positional: list[Any] = []
        for each in needed:
            value = context.db if each.name in _SESSION else context.clinic_id if each.name == _CLINIC else context
            if each.kind is each.POSITIONAL_ONLY:
                positional.append(value)
            else:
                values[each.name] = value
        if awaits:
            await func(*positional, **values)
            return
        import asyncio

        result = await asyncio.to_thread(func, *positional, **values)
        if inspect.isawaitable(result):
            await result

    return run
