"""What is wrong with the modules of this runtime, for people: errors keep something from working, notes do not."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from . import books, migrations
from .errors import ManifestInvalid
from .loader import Discovery
from .manifest_validator import Severity, validate_discovery
from .pending import Packages
from .revisions import read_book
from .states import HAS_SCHEMA, PENDING


@dataclass(frozen=True, slots=True)
class Finding:
    code: str
    severity: Severity
    module: str
    message: str


async def examine(connection: AsyncConnection, discovery: Discovery, *, core_version: str) -> list[Finding]:
    """Manifests, branches, books, orphans and tables nobody owns; errors first."""
    records = await books.read_records(connection)
    packages = Packages(discovery, records)
    folders = {}
    for found in discovery:
        try:
            if found.versions_path is not None:
                folders[found.name] = found.versions_path
        except ManifestInvalid:
            continue
    book = read_book(folders, {name: record.manifest_snapshot.get("revisions", ()) for name, record in records.items()})
    facts = [revision.facts for revision in book.revisions.values()]
    findings = [
        Finding(issue.code, issue.severity, issue.module, issue.message)
        for issue in validate_discovery(discovery, facts, core_version=core_version)
    ]
    findings += [Finding("MIGRATIONS_UNUSABLE", Severity.ERROR, owner, str(error)) for owner, error in sorted(book.errors.items())]
    for name, record in sorted(records.items()):
        if record.state in HAS_SCHEMA and name not in discovery:
            findings.append(
                Finding("ORPHAN", Severity.ERROR, name, f"{name} is installed, but its package is not here: install it again with pip")
            )
        if record.error_message:
            findings.append(Finding("LAST_ERROR", Severity.ERROR, name, f"{name} is {record.state}: {record.error_message}"))
        elif record.state in PENDING:
            findings.append(Finding("PENDING", Severity.WARNING, name, f"{name} is {record.state}: it happens at the next start"))
        findings += _missing_needs(packages, name)
    heads = await connection.run_sync(migrations.current_heads)
    unknown = sorted(set(heads) - book.revisions.keys())
    if unknown:
        text = f"alembic_version names {', '.join(unknown)}, which no installed package has and the books do not remember"
        findings.append(Finding("UNKNOWN_REVISION", Severity.WARNING, "", text))
    return sorted(findings, key=lambda finding: (finding.severity is not Severity.ERROR, finding.module, finding.code))


def _missing_needs(packages: Packages, name: str) -> Iterable[Finding]:
    record = packages.records[name]
    if record.state not in HAS_SCHEMA:
        return
    for need in record.depends:
        standing = packages.records.get(need)
        if standing is None or standing.state not in HAS_SCHEMA:
            yield Finding("DEPENDENCY_NOT_INSTALLED", Severity.ERROR, name, f"{name} is installed without {need}: install {need}")
