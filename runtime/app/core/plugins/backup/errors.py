"""What can go wrong with a backup, one type per case a caller can tell apart. No message ever holds a password or a row's content."""

from collections.abc import Collection, Iterable
from pathlib import Path

from dentalpin_kit.problems import DomainError


class BackupError(DomainError):
    status = 500
    code = "backup_failed"


class ClientToolsMissing(BackupError):
    code = "backup_tools_missing"

    def __init__(self, looked_in: Iterable[Path]) -> None:
        places = ", ".join(str(place) for place in looked_in) or "PATH"
        super().__init__(
            f"pg_dump and pg_restore were not found (looked in {places}). Nothing was changed. "
            "Install PostgreSQL's client tools (postgresql-client), or name their folder in PG_BINDIR."
        )


class ClientToolsTooOld(BackupError):
    code = "backup_tools_too_old"

    def __init__(self, found: dict[Path, int], needed: int, what: str) -> None:
        versions = ", ".join(f"{path} is {major}" for path, major in found.items())
        super().__init__(
            f"{what} needs PostgreSQL client tools of version {needed} or newer; {versions}. Nothing was changed. "
            f"Install postgresql-client-{needed}, or name its folder in PG_BINDIR."
        )


class StorageFull(BackupError):
    status = 507
    code = "backup_storage_full"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"There is no room left for the backup in {folder}. Nothing was changed and no half file was left. "
            "Free some space and try again."
        )


class DumpFailed(BackupError):
    code = "backup_dump_failed"

    def __init__(self, program: str, status: int, said: str) -> None:
        why = said or "it said nothing"
        super().__init__(f"{program} ended with status {status}: {why}. Nothing was changed; mend the cause and try again.")


class BackupMismatch(BackupError):
    code = "backup_mismatch"

    def __init__(self, tables: Collection[str]) -> None:
        self.tables = sorted(tables)
        super().__init__(
            f"The dump, read back, does not equal the rows of {', '.join(self.tables)}. Nothing was changed and the dump was thrown away. "
            "Check the disk, and that the same transaction changed no rows before the dump; then try again."
        )


class BackupNotFound(BackupError):
    status = 404
    code = "backup_not_found"

    def __init__(self, module: str, folder: Path, file: str | None = None) -> None:
        what = f"no backup {file!r} of {module}" if file else f"no backup of {module}"
        super().__init__(f"There is {what} in {folder}. `dentalpin modules restore {module} --list` shows what there is.")


class BackupDamaged(BackupError):
    status = 422
    code = "backup_damaged"

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"The backup {path.name} cannot be used: {why}. Nothing was changed. Take an older backup, or a copy of this one.")


class RestoreRefused(BackupError):
    """The backup is sound, the database is not ready for it."""

    status = 409
    code = "restore_refused"


class RevisionMissing(RestoreRefused):
    code = "restore_revision_missing"

    def __init__(self, module: str, missing: Iterable[str], version: str) -> None:
        self.missing = list(missing)
        super().__init__(
            f"The installed package of {module} does not have the migration{'s' if len(self.missing) > 1 else ''} "
            f"{', '.join(self.missing)} this backup was made at. Nothing was changed. Install {module} {version}, restore, then upgrade."
        )


class ReferenceLost(RestoreRefused):
    """Rows point at rows that exist no more; `rows` names them as `table.column=value of row id`."""

    code = "restore_reference_lost"

    def __init__(self, rows: list[str], total: int) -> None:
        self.rows = rows
        more = f" and {total - len(rows)} more" if total > len(rows) else ""
        super().__init__(
            f"{total} row{'s' if total > 1 else ''} would point at rows that are not there any more: {'; '.join(rows)}{more}. "
            "Nothing was changed. Bring those rows back first (for another module's, restore that module first)."
        )


class RowsPresent(RestoreRefused):
    code = "restore_rows_present"

    def __init__(self, module: str, rows: int) -> None:
        super().__init__(
            f"{module} is installed and holds {rows} row{'s' if rows != 1 else ''} of its own. Nothing was changed. "
            "Restore with --replace to put the backup in their place; they are backed up first."
        )


class RowsDoNotFit(RestoreRefused):
    code = "restore_rows_do_not_fit"

    def __init__(self, table: str, why: str) -> None:
        super().__init__(
            f"The rows of {table} do not fit what the module's migrations make: {why}. Nothing was changed. "
            "A released migration was edited: install the module's package as it was, or report it to the module's author."
        )
