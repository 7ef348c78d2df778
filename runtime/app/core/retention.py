"""How long the core keeps what, and the housekeeping that clears the rest. What a module keeps is the module's and the law's.

The list is complete: a table of the core that is not in it fails a test. Housekeeping runs in every serving process a minute after its
start and once a day; of several processes one works at a time.
"""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.core.agents.sessions import forget_everywhere
from app.core.auth import trail
from app.database import Database, unit_of_work
from dentalpin_kit.problems import TemporaryError
from dentalpin_kit.retention import Kept, older_than

logger = logging.getLogger(__name__)

_AUTH: Final = "app.core.auth"
_PLUGINS: Final = "app.core.plugins"
_WITH_THE_TENANT: Final = "as long as the tenant"

KEPT: Final[tuple[Kept, ...]] = (
    Kept("clinics", "app.core.clinics", _WITH_THE_TENANT, "every row of a clinic points to it"),
    Kept("users", _AUTH, _WITH_THE_TENANT, "records name who wrote them; a disabled account signs in nowhere"),
    Kept("memberships", _AUTH, _WITH_THE_TENANT, "who worked where, and as what; disabled, not deleted"),
    Kept("roles", "app.core.roles", "until removed by the clinic", "only roles nobody has can be removed"),
    Kept(
        "refresh_tokens",
        _AUTH,
        "one day after they expire (7 days unused, 30 at most)",
        "a copied token that is used again is noticed while it could have been valid",
        older_than("expires_at", timedelta(days=1)),
    ),
    Kept(
        "account_links",
        _AUTH,
        "30 days after they expire",
        "an administrator sees what became of an invitation",
        older_than("expires_at", timedelta(days=30)),
    ),
    Kept(
        "second_factors",
        _AUTH,
        "until removed; one day if never confirmed",
        "an enrolment nobody finished is of no use",
        f"confirmed_at IS NULL AND {older_than('created_at', timedelta(days=1))}",
    ),
    Kept("recovery_codes", _AUTH, "until renewed or removed with the second factor", "used ones tell how many are left"),
    Kept("sign_in_attempts", _AUTH, "until their window ends (an hour at most)", "digests only", "window_ends < now()"),
    Kept("access_log", _AUTH, f"{trail.RETENTION_DAYS} days", "to look into misuse; the database keeps 90 days whatever is asked"),
    Kept("burned_tokens", _AUTH, _WITH_THE_TENANT, "a token of the platform is accepted once; a handful of rows"),
    Kept("support_accesses", "app.core.support", _WITH_THE_TENANT, "who of the platform was let in, by whom, and until when"),
    Kept("support_reads", "app.core.support", _WITH_THE_TENANT, "what they looked at"),
    Kept("core_setting", "app.core.runtime", _WITH_THE_TENANT, "a handful of rows"),
    Kept("core_revision", "app.core.runtime", _WITH_THE_TENANT, "what this runtime was asked to be, in order"),
    Kept("alembic_version", _PLUGINS, _WITH_THE_TENANT, "which migrations were applied"),
    Kept("core_module", _PLUGINS, _WITH_THE_TENANT, "one row per module ever seen"),
    Kept("core_table_owner", _PLUGINS, "until the table is dropped", "which module made which table"),
    Kept("core_module_operation_log", _PLUGINS, _WITH_THE_TENANT, "the trail of installations and removals; a few rows each"),
    Kept("core_module_request", _PLUGINS, _WITH_THE_TENANT, "who asked for which installation or removal"),
    Kept("core_external_id", _PLUGINS, "until the module is removed", "which rows came from a module's seeds"),
)

_EVENTS: Final = "app.core.events"
_JOBS: Final = "app.core.jobs"
_AGENTS: Final = "app.core.agents"

KEPT_ELSEWHERE: Final[tuple[Kept, ...]] = (
    Kept("core_event", _EVENTS, "30 days, longer while a delivery is pending or dead", "to deliver and to repeat", cleared_by=_EVENTS),
    Kept("core_event_delivery", _EVENTS, "as long as its event", "what became of it", cleared_by=_EVENTS),
    Kept("core_job", _JOBS, "until its module is removed", "when a job is due next"),
    Kept("core_job_run", _JOBS, "30 days, and the newest of each job", "what became of it", cleared_by=_JOBS),
    Kept("agents", _AGENTS, _WITH_THE_TENANT, "how each clinic set up its agents"),
    Kept("agent_sessions", _AGENTS, "two years", "what an agent was asked to do, and how it ended", cleared_by=_AGENTS),
    Kept("agent_audit_logs", _AGENTS, "two years", "every tool call, with its arguments and without its result", cleared_by=_AGENTS),
    Kept("agent_approval_queue", _AGENTS, "90 days", "what waited for a person, and what they said", cleared_by=_AGENTS),
    Kept("personal_access_tokens", _AGENTS, _WITH_THE_TENANT, "digests; the trail of tool calls names them"),
)
"""What their own packages clear."""


async def prune(database: Database) -> dict[str, int]:
    """Clear what has served its time; how many rows of which table. One transaction per table."""
    cleared: dict[str, int] = {}
    for kept in KEPT:
        if kept.condition is not None:
            async with unit_of_work(database=database) as session:
                # Constants of this file, no input.
                statement = f"WITH gone AS (DELETE FROM {kept.table} WHERE {kept.condition} RETURNING 1) SELECT count(*) FROM gone"  # noqa: S608
                cleared[kept.table] = int(await session.scalar(text(statement)) or 0)
    async with unit_of_work(database=database) as session:
        cleared["access_log"] = await trail.prune(session)
    await forget_everywhere(database)
    return {table: count for table, count in cleared.items() if count}


class Housekeeper:
    """Prunes after `first` seconds and then every `every`."""

    def __init__(self, database: Database, *, first: float = 60.0, every: float = 24 * 3600.0) -> None:
        self._database = database
        self._first = first
        self._every = every

    async def run(self) -> None:
        pause = self._first
        while True:
            await asyncio.sleep(pause)
            pause = self._every
            try:
                cleared = await prune(self._database)
            except (OSError, SQLAlchemyError, TemporaryError) as error:
                logger.warning("housekeeping failed and is tried again in a day: %s", type(error).__name__)
            else:
                logger.info("housekeeping cleared %s", cleared or "nothing")
