"""What is wrong with the modules of this runtime, for people: errors keep something from working, warnings do not.

Read-only: what has to be tried is tried in savepoints that are rolled back.
"""

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from . import books, migrations
from .checkup import Finding, contents, error, schema, warning
from .errors import ManifestInvalid, PluginError
from .loader import Discovery
from .manifest_validator import Severity, validate_discovery
from .models import ModuleRecord
from .pending import Packages
from .registry import MountedModule
from .retrying import Limits
from .revisions import RevisionBook, read_book
from .states import HAS_SCHEMA, IN_FORCE, PENDING

_CLINICS: Final = sa.text("SELECT id FROM clinics ORDER BY created_at, id")
_SEES_EVERYTHING: Final = sa.text("SELECT pg_has_role(current_user, relowner, 'MEMBER') FROM pg_class WHERE oid = 'core_module'::regclass")

__all__ = ["Finding", "examine"]


async def examine(
    connection: AsyncConnection, discovery: Discovery, *, core_version: str, limits: Limits | None = None, clinics: Iterable[UUID] = ()
) -> list[Finding]:
    """Manifests, migrations, books, tables, grants, events and seeds; errors first. In the caller's transaction, which it leaves as it was.

    Seeds are looked at for `clinics`, by default all. Under the request role, what row-level security hides is not seen.
    """
    records = await books.read_records(connection)
    packages = Packages(discovery, records)
    book = _book(discovery, records)
    facts = [revision.facts for revision in book.revisions.values()]
    findings = [
        Finding(issue.code, issue.severity, issue.module, issue.message)
        for issue in validate_discovery(discovery, facts, core_version=core_version)
    ]
    findings += [error("MIGRATIONS_UNUSABLE", owner, str(problem)) for owner, problem in sorted(book.errors.items())]
    for name in sorted(records):
        findings += _of_books(packages, name, (limits or Limits()).attempts)
    heads = await connection.run_sync(migrations.current_heads)
    unknown = sorted(set(heads) - book.revisions.keys())
    if unknown:
        text = f"alembic_version names {', '.join(unknown)}, which no installed package has and the books do not remember"
        findings.append(warning("UNKNOWN_REVISION", "", text))
    modules = _modules(discovery, records)
    findings += contents.subscriptions(modules)
    findings += await connection.run_sync(lambda sync: list(schema.ownership(sync, records)))
    findings += await connection.run_sync(
        lambda sync: list(schema.drift(sync, {name: module.module.get_models() for name, module in modules.items()}))
    )
    findings += await contents.events(connection)
    findings += await contents.grants(connection, modules)
    owner = bool((await connection.execute(_SEES_EVERYTHING)).scalar_one())
    concerned = list(clinics) or list((await connection.execute(_CLINICS)).scalars())
    findings += await contents.seeds(connection, records, discovery.modules, concerned, as_owner=owner)
    return in_order_of_weight(findings)


def in_order_of_weight(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (finding.severity is not Severity.ERROR, finding.module, finding.code))


def _book(discovery: Discovery, records: Mapping[str, ModuleRecord]) -> RevisionBook:
    folders = {}
    for found in discovery:
        try:
            if found.versions_path is not None:
                folders[found.name] = found.versions_path
        except ManifestInvalid:
            continue
    return read_book(folders, {name: record.manifest_snapshot.get("revisions", ()) for name, record in records.items()})


def _modules(discovery: Discovery, records: Mapping[str, ModuleRecord]) -> dict[str, MountedModule]:
    """What is installed and can be imported; the rest is found elsewhere."""
    found: dict[str, MountedModule] = {}
    for name, record in records.items():
        package = discovery.get(name)
        if record.state in IN_FORCE and package is not None:
            try:
                found[name] = MountedModule(package.module, package.manifest)
            except PluginError:
                continue
    return found


def _of_books(packages: Packages, name: str, attempts: int) -> Iterable[Finding]:
    record = packages.records[name]
    if record.state in HAS_SCHEMA and name not in packages.discovery:
        yield error("ORPHAN", name, f"{name} is installed, but its package is not here: install it again with pip")
    if record.state in HAS_SCHEMA and packages.is_older(name) and name in packages.discovery:
        older = f"the package of {name} is {packages.manifests[name].version}, the database has {record.version}: install a newer one"
        yield error("PACKAGE_OLDER", name, older)
    if record.state in PENDING and record.attempts >= attempts:
        text = f"{name} rests after {record.attempts} failed attempts: correct the cause, then `dentalpin modules retry {name}`"
        yield error("RESTS", name, text)
    if record.error_message:
        yield error("LAST_ERROR", name, f"{name} is {record.state}: {record.error_message}")
    elif record.state in PENDING:
        yield warning("PENDING", name, f"{name} is {record.state}: it happens at the next start")
    if record.state in HAS_SCHEMA:
        for need in record.depends:
            standing = packages.records.get(need)
            if standing is None or standing.state not in HAS_SCHEMA:
                yield error("DEPENDENCY_NOT_INSTALLED", name, f"{name} is installed without {need}: install {need}")
