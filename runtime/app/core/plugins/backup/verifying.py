"""Whether a backup could be brought back, without doing it: the file is whole, and holds the rows it was made from."""

import hashlib
from collections.abc import Collection
from pathlib import Path

from .archive import RowDigest, copy_blocks
from .client import find_tools, tool_output
from .errors import BackupDamaged, DumpFailed, RevisionMissing
from .manifest import Backup, read_backup


async def verify(backup: Backup, *, revisions: Collection[str], bindir: Path | None = None) -> None:
    """Read the whole backup. `revisions` are those the installed package has.

    Raises BackupDamaged, RevisionMissing, ClientToolsMissing, ClientToolsTooOld.
    """
    manifest = read_backup(backup.manifest_path).manifest
    missing = [revision for revision in manifest.revisions if revision not in revisions]
    if missing:
        raise RevisionMissing(manifest.module, missing, manifest.version)
    if backup.dump_path is None:
        return
    with backup.dump_path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != manifest.dump_sha256:
            raise BackupDamaged(backup.dump_path, "its checksum is not the recorded one")
    tools = await find_tools(manifest.client_version or 0, f"The backup {backup.id}", bindir)
    read: dict[str, RowDigest] = {}
    try:
        async with tool_output(tools.pg_restore, ["--data-only", "--file=-", str(backup.dump_path)], reads=backup.dump_path) as script:
            async for header, lines in copy_blocks(script):
                read.setdefault(header.table, RowDigest()).add(lines)
    except (EOFError, DumpFailed) as error:
        raise BackupDamaged(backup.dump_path, str(error)) from None
    for table in manifest.tables:
        found = read.get(table.name, RowDigest())
        if (found.rows, found.value()) != (table.rows, table.digest):
            raise BackupDamaged(backup.dump_path, f"the rows of {table.name} are not those it was made from")
