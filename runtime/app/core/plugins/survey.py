"""The facts a plan is made of, read in the caller's transaction: the books, what points where, how many rows there are."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from . import books, law
from .errors import ManifestInvalid, PluginError
from .loader import Discovery
from .models import ModuleRecord
from .pending import Packages
from .plan import Brings, Change, Facts, affected
from .references import Reference, merged, references_to
from .states import HAS_SCHEMA

Executor = AsyncConnection | AsyncSession
Describe = Callable[[str], Brings]

_PLATFORM: Final = sa.text("SELECT document #>> '{platform,url}' FROM core_revision ORDER BY generation DESC LIMIT 1")
_CLINICS: Final = sa.text("SELECT id FROM clinics ORDER BY created_at, id")
_SET_CLINIC: Final = sa.text("SELECT set_config('app.clinic_id', :clinic, true)")
_CLINIC: Final = sa.text("SELECT current_setting('app.clinic_id', true)")
_TABLES: Final = sa.text("""
    SELECT c.relname AS name, quote_ident(c.relname) AS quoted, EXISTS (
        SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'clinic_id' AND NOT a.attisdropped
    ) AS of_clinics
    FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND c.relname = ANY(:tables)
    ORDER BY c.relname
""")
_DELIVERIES: Final = sa.text("""
    SELECT module_name, count(*) AS open FROM core_event_delivery WHERE status IN ('pending', 'dead') AND module_name = ANY(:modules)
    GROUP BY module_name
""")


async def platform_of(executor: Executor) -> tuple[bool, str | None]:
    """Whether a platform's revision was adopted here, and the platform's address."""
    row = (await executor.execute(_PLATFORM)).one_or_none()
    return row is not None, None if row is None else row[0]


async def clinics(executor: Executor) -> list[UUID]:
    """Every clinic of this runtime."""
    return list((await executor.execute(_CLINICS)).scalars())


async def survey(
    executor: Executor,
    discovery: Discovery,
    change: Change,
    name: str,
    *,
    core_version: str,
    describe: Describe,
    managed: bool = False,
    with_unneeded: bool = False,
    bypasses_isolation: bool = False,
) -> Facts:
    """What `make_plan` needs for one request. `bypasses_isolation`: the executor is the owner's, and sees all clinics at once.

    Raises UnknownModule.
    """
    packages = Packages(discovery, await books.read_records(executor))
    names = affected(packages, change, name, with_unneeded=with_unneeded)
    adopted, platform = await platform_of(executor)
    facts = Facts(
        packages=packages,
        core_version=core_version,
        managed=managed or adopted,
        platform=platform,
        obligations=await law.obligations(executor),
        deliveries={row.module_name: row.open for row in await executor.execute(_DELIVERIES, {"modules": list(names)})},
        brings={each: describe(each) for each in names},
    )
    match change:
        case Change.UNINSTALL:
            return await _with_what_goes(executor, facts, names, bypasses_isolation)
        case Change.INSTALL | Change.UPGRADE:
            return await _with_migrations(executor, facts, names)
    return facts


async def _with_what_goes(executor: Executor, facts: Facts, names: Sequence[str], bypasses_isolation: bool) -> Facts:
    """Rows and references, over all clinics: a request sees one clinic at a time, so each is looked at by itself."""
    owners = await books.table_owners(executor)
    tables: dict[str, dict[str, int]] = {name: {} for name in names}
    references: dict[str, list[Reference]] = {name: [] for name in names}
    before = (await executor.execute(_CLINIC)).scalar_one()
    scopes: list[UUID | None] = [None] if bypasses_isolation else [None, *await clinics(executor)]
    for clinic in scopes:
        await executor.execute(_SET_CLINIC, {"clinic": str(clinic) if clinic else ""})
        for name in names:
            own = [table for table, owner in owners.items() if owner == name]
            counted = await _rows(executor, own, None if bypasses_isolation else [clinic])
            for table, rows in counted.items():
                tables[name][table] = tables[name].get(table, 0) + rows
            references[name] += await references_to(executor, name, owners, names)
    await executor.execute(_SET_CLINIC, {"clinic": before or ""})
    revisions = {name: _remembered(facts.records[name]) for name in names if name in facts.records}
    return replace(facts, tables=tables, references={name: merged(found) for name, found in references.items()}, revisions=revisions)


async def _rows(executor: Executor, tables: Iterable[str], scope: Sequence[UUID | None] | None) -> Mapping[str, int]:
    """Rows of each table: all (None), or those of one clinic; rows of no clinic belong to the scope [None]."""
    counted: dict[str, int] = {}
    for table in (await executor.execute(_TABLES, {"tables": list(tables)})).all():
        condition, values = "", {}
        if scope is not None and table.of_clinics:
            condition = " WHERE clinic_id IS NULL" if scope[0] is None else " WHERE clinic_id = :clinic"
            values = {"clinic": scope[0]} if scope[0] is not None else {}
        elif scope is not None and scope[0] is not None:
            counted[table.name] = 0
            continue
        query = sa.text(f"SELECT count(*) FROM {table.quoted}{condition}")  # noqa: S608  the name is quoted by PostgreSQL
        counted[table.name] = int((await executor.execute(query, values)).scalar_one())
    return counted


async def _with_migrations(executor: Executor, facts: Facts, names: Sequence[str]) -> Facts:
    """The schema revisions that are to come. Alembic is imported here: a serving process does without it until somebody asks."""
    from .revisions import read_book

    packages = facts.packages
    heads = list((await executor.execute(sa.text("SELECT version_num FROM alembic_version"))).scalars())
    folders = {}
    for name in names:
        found = packages.discovery.get(name)
        try:
            if found is not None and name not in packages.errors and found.versions_path is not None:
                folders[name] = found.versions_path
        except ManifestInvalid:
            continue
    remembered = {name: record.manifest_snapshot.get("revisions", ()) for name, record in packages.records.items()}
    book = read_book(folders, remembered).with_unknown_heads(heads)
    applied = book.applied(heads)
    revisions: dict[str, list[str]] = {}
    unreadable: dict[str, PluginError] = {name: error for name, error in book.errors.items() if name in names}
    for name in folders.keys() - unreadable.keys():
        try:
            revisions[name] = [each.revision for each in book.of(name) if each.revision not in applied and each.script is not None]
        except PluginError as error:
            unreadable[name] = error
    return replace(facts, revisions=revisions, unreadable=unreadable)


def _remembered(record: ModuleRecord) -> list[str]:
    """The revisions a removal takes back, newest first, as the books remember them."""
    if record.state not in HAS_SCHEMA:
        return []
    return [str(entry["revision"]) for entry in reversed(record.manifest_snapshot.get("revisions", ()))]
