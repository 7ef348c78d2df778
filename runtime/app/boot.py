"""Boot as owner: the part of `dentalpin serve` that changes the database. Runs when the quick check found something to do.

Core migrations, the revision, the first clinic, then the processor for what is to be installed or upgraded. What is to be removed waits
for older processes to leave, in a child of its own (the *remover*), while this process goes on to serve.
"""

import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.core.isolation import CORE_EXEMPT, apply_policies
from app.core.plugins.errors import PluginError
from app.core.plugins.loader import Discovery, discover_modules
from app.core.plugins.processor import Processor
from app.core.plugins.report import Outcome, ProcessorReport
from app.core.plugins.retrying import Limits
from app.core.runtime import first_clinic
from app.core.runtime.adoption import adopt
from app.core.runtime.connection import connect
from app.core.runtime.environment import Environment
from app.core.runtime.errors import CoreMigrationFailed, ModulesNotAsAsked, SettingMissing
from app.core.runtime.fingerprint import SETTLED, environment_print, fingerprint
from app.core.runtime.revision import RevisionDocument
from app.core.runtime.settings import read_settings
from app.core.runtime.status import StatusChannel
from app.database import sqlalchemy_url
from dentalpin_kit import faults
from dentalpin_kit.logs import scrub
from dentalpin_kit.processes import die_with_parent

logger = logging.getLogger(__name__)

_LOCK_TIMEOUT: Final = text("SET LOCAL lock_timeout = '5s'")
_OWNED_TABLES: Final = text("SELECT table_name FROM core_table_owner")
_REMOVALS: Final = text("SELECT EXISTS (SELECT FROM core_module WHERE state = 'to_remove')")
_SETTLED: Final = text("SELECT value FROM core_setting WHERE key = :key")
_SETTLE: Final = text(
    "INSERT INTO core_setting (key, value) VALUES (:key, CAST(:value AS jsonb)) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now() WHERE core_setting.value <> excluded.value"
)
# What another boot may still do. A refused removal is not among it: the module is installed again, and only a new process can mount it;
# a package that is gone or older says so until another package or revision comes, which changes the fingerprint.
_UNDONE: Final = frozenset({Outcome.FAILED, Outcome.SKIPPED})


@dataclass(frozen=True)
class Prepared:
    """What boot leaves to be done."""

    removals: bool
    """Modules are to be removed once no older process serves them."""


async def prepare(environment: Environment, status: StatusChannel) -> Prepared:
    """Bring the database to what this environment and revision ask for, removals aside.

    Raises BootFailed types: without the core there is nothing to serve; ModulesNotAsAsked only where an older process still serves.
    A module that failed alone does not raise: its error is in the books and in the attestation.
    """
    if environment.owner_database_url is None:
        raise SettingMissing(
            "OWNER_DATABASE_URL (or OWNER_DATABASE_URL_FILE) is not set, and this database has something to migrate or install: "
            "give it the role that owns the clinic's tables"
        )
    revision = RevisionDocument.read(environment.revision_file) if environment.revision_file is not None else None
    # Before the work: what changes meanwhile is for the next boot to notice.
    print_of_now = fingerprint(revision.digests.identity if revision is not None else None)
    settings = read_settings()
    discovery = discover_modules()
    processor = Processor(
        environment.owner_database_url,
        settings.storage,
        discovery=discovery,
        generation=revision.generation if revision is not None else None,
        bindir=settings.pg_bindir,
        limits=Limits.of(settings),
    )
    # Waited for here, since it may be starting up itself; the engine below does not wait.
    await (await connect(environment.owner_database_url)).close()
    owner = create_async_engine(sqlalchemy_url(environment.owner_database_url), poolclass=NullPool, hide_parameters=True)
    try:
        status.step("lock")
        # Of two runtimes booting together one works; the other waits here and then finds it done.
        async with processor.locked():
            await _prepare_core(processor, owner, status)
            if revision is not None:
                await _adopt(owner, revision, status)
            status.step("modules")
            report = await processor.run()
        undone = any(module.outcome in _UNDONE for module in report.modules)
        async with owner.begin() as connection:
            removals = await connection.scalar(_REMOVALS)
            await _note_settled(connection, None if undone else print_of_now, discovery)
    finally:
        await owner.dispose()
    if not report.ok:
        _tell(report, keep_old=environment.keep_old and undone)
    return Prepared(removals=bool(removals))


def start_remover() -> int:
    """Start the child that removes what is to be removed, as owner; its process id. It dies with this process, `execve` or not."""
    variables = {name: value for name, value in os.environ.items() if name not in {"DENTALPIN_STATUS_FD", "DENTALPIN_LISTEN_FD"}}
    arguments = [sys.executable, "-m", "app.cli.main", "modules", "process", "--removals", "--wait"]
    process = subprocess.Popen(arguments, env=variables, stdin=subprocess.DEVNULL, preexec_fn=partial(die_with_parent, os.getpid()))
    logger.info("modules are to be removed: process %d waits until no older process serves them", process.pid)
    # The process that follows by `execve` waits for it; this object must not warn that nobody did.
    process.returncode = 0
    return process.pid


async def _prepare_core(processor: Processor, owner: AsyncEngine, status: StatusChannel) -> None:
    status.step("core")
    faults.point("boot.core.before")
    try:
        await processor.migrate_core()
        # A release may change what requests may see without changing a table.
        async with owner.begin() as connection:
            await connection.execute(_LOCK_TIMEOUT)
            await connection.run_sync(apply_policies, [*CORE_EXEMPT, *await connection.scalars(_OWNED_TABLES)])
    except (SQLAlchemyError, PluginError, OSError) as error:
        reason = scrub(str(getattr(error, "orig", None) or error).splitlines()[0])
        raise CoreMigrationFailed(f"the core's tables cannot be brought to this version: {reason}. Nothing was changed") from error
    faults.point("boot.core.after")


async def _adopt(owner: AsyncEngine, revision: RevisionDocument, status: StatusChannel) -> None:
    """Record the revision and see to the first clinic, in one transaction; the processor reads from there what is asked for."""
    status.step("revision")
    faults.point("boot.revision.before")
    async with owner.begin() as connection:
        await connection.execute(_LOCK_TIMEOUT)
        await adopt(connection, revision)
        await first_clinic.ensure(connection, revision)
    faults.point("boot.revision.after")


def _tell(report: ProcessorReport, *, keep_old: bool) -> None:
    """Say what is not as asked. Raises ModulesNotAsAsked where an older process serves and should go on doing so."""
    reasons = "; ".join(f"{module.name}: {module.reason}" for module in report.not_as_asked)
    message = scrub(f"not every module is as asked: {reasons}")
    logger.error("%s", message)
    if keep_old:
        raise ModulesNotAsAsked(message)


async def _note_settled(connection: AsyncConnection, fingerprint_of_now: str | None, discovery: Discovery) -> None:
    """Note under what this database is settled, and which release this is; describing it imports every module, so once per environment."""
    from app.release import release_id

    environment = environment_print()
    known = await connection.scalar(_SETTLED, {"key": SETTLED})
    release = known["release_id"] if known and known.get("environment") == environment else release_id(discovery)
    value = {"fingerprint": fingerprint_of_now, "environment": environment, "release_id": release}
    await connection.execute(_SETTLE, {"key": SETTLED, "value": json.dumps(value)})
