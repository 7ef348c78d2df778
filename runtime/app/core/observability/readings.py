"""What a scrape reads from the database: what outlives a process, or is done in another one than the one that is asked.

The processor works before serving begins and in processes of its own, so its steps are counted from its log. Everything is counted over
all clinics: the core's tables here belong to nobody's request, and no clinic becomes a label.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Database
from dentalpin_kit.metrics import Reading
from dentalpin_kit.problems import TemporaryError

logger = logging.getLogger(__name__)

TIMEOUT: Final = 5.0

_MODULES: Final = text("SELECT state, count(*) FROM core_module GROUP BY state ORDER BY state")
_FAILING: Final = text("SELECT name, attempts FROM core_module WHERE error_message IS NOT NULL ORDER BY name")
_STEPS: Final = text(
    "SELECT module_name, operation, step, status, count(*) FROM core_module_operation_log GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
)
_STEP_TIME: Final = text(
    "SELECT module_name, operation, step, sum(seconds) FROM ("
    "  SELECT module_name, operation, step, status,"
    "    extract(epoch FROM created_at - lag(created_at) OVER (PARTITION BY module_name, operation, step, process ORDER BY id)) AS seconds"
    "  FROM core_module_operation_log"
    ") AS ended WHERE status <> 'started' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
)
_DELIVERIES: Final = text(
    "SELECT module_name, count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'dead')"
    " FROM core_event_delivery WHERE status IN ('pending', 'dead') GROUP BY 1 ORDER BY 1"
)
_OLDEST: Final = text(
    "SELECT coalesce(extract(epoch FROM now() - min(next_attempt_at)), 0) FROM core_event_delivery"
    " WHERE status = 'pending' AND next_attempt_at <= now()"
)
_JOBS: Final = text("SELECT module_name, count(*) FROM core_job WHERE failures > 0 GROUP BY 1 ORDER BY 1")


async def readings(database: Database) -> list[Reading]:
    """What the tables say now, and whether the database answered; without an answer in time only that it did not."""
    found: list[Reading] = []
    try:
        async with asyncio.timeout(TIMEOUT), database.unit() as unit:
            found = await _read(unit.session)
    except (OSError, TimeoutError, SQLAlchemyError, TemporaryError) as error:
        logger.warning("metrics: the database does not answer (%s)", type(error).__name__)
    answered = Reading("dentalpin_database_up", "Whether the clinic's database answered this scrape.", (), (((), float(bool(found))),))
    return [answered, *found]


async def _read(session: AsyncSession) -> list[Reading]:
    modules = (await session.execute(_MODULES)).all()
    failing = (await session.execute(_FAILING)).all()
    steps = (await session.execute(_STEPS)).all()
    times = (await session.execute(_STEP_TIME)).all()
    deliveries = (await session.execute(_DELIVERIES)).all()
    oldest = await session.scalar(_OLDEST)
    jobs = (await session.execute(_JOBS)).all()
    step_labels = ("module", "operation", "step")
    return [
        Reading("dentalpin_modules", "Modules by state.", ("state",), _rows(modules, 1)),
        Reading("dentalpin_module_attempts", "Attempts on the operation of a module that is not as asked.", ("module",), _rows(failing, 1)),
        Reading("dentalpin_module_steps", "Steps in the processor's log.", (*step_labels, "status"), _rows(steps, 4), "counter"),
        Reading("dentalpin_module_steps_seconds", "Time spent in steps that ended.", step_labels, _rows(times, 3), "counter"),
        Reading("dentalpin_event_deliveries_waiting", "Deliveries to be made.", ("module",), _rows(deliveries, 1, value=1)),
        Reading("dentalpin_event_deliveries_dead", "Deliveries given up; a person decides.", ("module",), _rows(deliveries, 1, value=2)),
        Reading("dentalpin_jobs_failing", "Jobs whose last run failed, over all clinics.", ("module",), _rows(jobs, 1)),
        Reading("dentalpin_event_oldest_due_seconds", "How long the oldest due delivery has waited.", (), (((), float(oldest or 0)),)),
    ]


def _rows(rows: Sequence[Any], labels: int, *, value: int | None = None) -> tuple[tuple[tuple[str, ...], float], ...]:
    """The first columns as labels, and the one after them (or column `value`) as the number."""
    return tuple((tuple(map(str, row[:labels])), float(row[labels if value is None else value] or 0)) for row in rows)
