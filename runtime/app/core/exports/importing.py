"""`dentalpin import`: an empty database and an archive become a stand-alone runtime.

Verified first, all of it; then the dump is restored in one transaction, compared row by row with what was exported, and freed from the
platform it came from. What was restored starts as any runtime does: the next boot gives the request role its rights and migrates what
this environment has newer.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.version import InvalidVersion, Version
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from app.core.auth.invitations import INVITATION
from app.core.exports.errors import ImportDiffers, ImportModulesMissing, ImportNotEmpty, ImportRefused, ImportUnsigned
from app.core.exports.exporting import DATA_KEY, DUMP, FILES
from app.core.plugins.backup import tables as catalogue
from app.core.plugins.backup.client import connection_to, find_tools, run_tool
from app.core.plugins.errors import PluginError
from app.core.plugins.loader import Discovery, core_version
from app.core.plugins.revision_adoption import MARKED
from app.core.runtime.fingerprint import SETTLED
from app.database import sqlalchemy_url
from dentalpin_kit.archives import ArchiveDamaged, Member, Verified, unpack, verify_archive

_PRESENT: Final = text(
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S') ORDER BY relname"
)
_SCHEMA_THERE: Final = text("SELECT to_regnamespace('public') IS NOT NULL")
# A stand-alone runtime has no platform: no revision to act on, no invitation of the platform's, nobody's session of another key,
# and a boot that looks at everything anew.
_FREE: Final = (
    "DELETE FROM core_revision",
    "DELETE FROM core_setting WHERE key = ANY(:keys)",
    "DELETE FROM refresh_tokens",
)


@dataclass(frozen=True)
class Imported:
    """What was made of an archive."""

    verified: Verified
    tables: int
    rows: int
    files: int
    data_key: Path | None
    """Where the key that opens second factors was put; DENTALPIN_DATA_KEY_FILE is to name it."""

    def summary(self) -> dict[str, Any]:
        manifest = self.verified.manifest
        return {
            "clinics": [clinic["name"] for clinic in manifest["clinics"]],
            "exported_at": manifest["created_at"],
            "signed_by": self.verified.signed_by,
            "tables": self.tables,
            "rows": self.rows,
            "files": self.files,
            "data_key_file": str(self.data_key) if self.data_key else None,
        }


def check(archive: Path, discovery: Discovery, *, trusted: str | None, allow_unsigned: bool) -> Verified:
    """Read the whole archive, and see that this environment can run what is in it. Touches no database.

    Raises ArchiveDamaged, ArchiveTooNew, ArchiveUntrusted, ImportUnsigned, ImportModulesMissing, ImportRefused.
    """
    verified = verify_archive(archive, trusted=trusted)
    if verified.signed_by is None and not allow_unsigned:
        raise ImportUnsigned
    manifest = verified.manifest
    try:
        core, modules = str(manifest["core_version"]), list(manifest["modules"])
        _ = manifest["clinics"], manifest["created_at"], manifest["dump"]["tables"]
        missing = [why for module in modules if (why := _missing(module, discovery)) is not None]
        older = Version(core_version()) < Version(core)
    except (KeyError, TypeError, AttributeError, InvalidVersion):
        raise ArchiveDamaged("its manifest does not say what was exported") from None
    if older:
        raise ImportRefused(f"The archive is of core version {core}, this environment has {core_version()}. Install {core} or newer.")
    if missing:
        raise ImportModulesMissing(missing)
    return verified


def _missing(module: Mapping[str, Any], discovery: Discovery) -> str | None:
    """What this environment lacks of one module the archive's clinic has tables of; None when nothing."""
    if module["state"] not in ("installed", "disabled", "to_upgrade", "to_remove"):
        return None
    name, wanted = module["name"], module["version"]
    whose = f" of the package {module['distribution']}" if module.get("distribution") else ""
    found = discovery.get(name)
    if found is None:
        return f"{name} {wanted}{whose}"
    try:
        here = found.manifest.version
    except PluginError as error:
        return f"{name} {wanted}{whose} ({error.message})"
    if wanted is not None and Version(here) < Version(wanted):
        return f"{name} {wanted}{whose} (here is {here})"
    return None


async def restore(
    archive: Path, verified: Verified, *, owner_url: str, storage: Path, data_key_file: Path, bindir: Path | None = None
) -> Imported:
    """Bring a checked archive into an empty database and an empty storage.

    Raises ImportNotEmpty before anything is written, ImportDiffers, and the BackupErrors of the client programs.
    """
    files = {member.path.removeprefix(FILES): member for member in verified.members if member.path.startswith(FILES)}
    by_path = {member.path: member for member in verified.members}
    engine = create_async_engine(sqlalchemy_url(owner_url), poolclass=NullPool, hide_parameters=True)
    try:
        async with engine.begin() as connection:
            await _refuse_what_is_there(connection, storage)
            major = int((await connection.exec_driver_sql("SHOW server_version_num")).scalar_one()) // 10_000
        await _restore_dump(archive, by_path[DUMP], owner_url, major, storage, bindir)
        async with engine.begin() as connection:
            rows = await _compare(connection, verified.manifest["dump"]["tables"])
            for statement in _FREE:
                await connection.execute(text(statement), {"keys": [SETTLED, MARKED, INVITATION]} if ":keys" in statement else {})
    finally:
        await engine.dispose()
    for name, member in files.items():
        target = storage / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unpack(archive, member, target)
    key = by_path.get(DATA_KEY)
    if key is not None and not data_key_file.exists():
        data_key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unpack(archive, key, data_key_file)
    return Imported(verified, len(verified.manifest["dump"]["tables"]), rows, len(files), data_key_file if key is not None else None)


async def _refuse_what_is_there(connection: AsyncConnection, storage: Path) -> None:
    if await connection.scalar(_SCHEMA_THERE):
        present = list(await connection.scalars(_PRESENT))
        if present:
            raise ImportNotEmpty("The database", present)
    stored = sorted(path.name for path in storage.iterdir()) if storage.is_dir() else []
    if stored:
        raise ImportNotEmpty(f"The folder {storage}", stored)


async def _restore_dump(archive: Path, dump: Member, owner_url: str, major: int, storage: Path, bindir: Path | None) -> None:
    tools = await find_tools(major, "The import", bindir)
    storage.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=storage.parent, prefix=".import.") as folder:
        file = Path(folder) / "dump"
        unpack(archive, dump, file)
        with connection_to(owner_url) as to_database:
            # Whole or not at all. Owner and rights are those of whoever restores; boot gives the request role its own.
            arguments = ["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", "--no-password"]
            arguments += [f"--dbname={to_database.variables['PGDATABASE']}", str(file)]
            await run_tool(tools.pg_restore, arguments, connection=to_database, writes_to=storage)


async def _compare(connection: AsyncConnection, exported: list[dict[str, Any]]) -> int:
    """The number of rows, once every table holds exactly those that were exported. Raises ImportDiffers."""
    expected = {table["name"]: table for table in exported}
    there = {table.name: table for table in await catalogue.describe(connection, list(expected))}
    differ = sorted(name for name, table in expected.items() if name not in there or there[name].columns != tuple(table["columns"]))
    if not differ:
        found = await catalogue.digests(connection, [(table, table.columns) for table in there.values()])
        differ = sorted(
            name for name, table in expected.items() if (found[name].rows, found[name].value()) != (table["rows"], table["digest"])
        )
    if differ:
        raise ImportDiffers(differ)
    return sum(table["rows"] for table in exported)
