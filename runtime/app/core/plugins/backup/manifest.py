"""The JSON beside a dump: what it holds and what it was made from. A backup exists once both files have their final names."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import BackupDamaged, BackupNotFound

FORMAT = 1
_NAME = re.compile(r"^(?P<module>.+)-(?P<at>\d{8}T\d{6}Z)-(?P<short>[0-9a-f]{8})\.json$")


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TableRows(_Value):
    name: str
    columns: tuple[str, ...]
    """Stored columns in the table's order; generated ones are left out, PostgreSQL computes them again."""
    rows: int
    digest: str
    """Order-independent digest of the rows' COPY text, see `archive.RowDigest`."""


class SequenceState(_Value):
    name: str
    last_value: int
    is_called: bool


class ExternalId(_Value):
    """A row of `core_external_id`, as text."""

    id: str
    xml_id: str
    table_name: str
    record_id: str
    clinic_id: str | None
    noupdate: bool
    created_at: str


class SeededRow(_Value):
    """A row the module's seeds put into another module's table. It goes with the module and comes back with it."""

    table: str
    row: str
    """The row as the text of a JSON object: PostgreSQL reads it back, and no number is rounded on the way."""


class Manifest(_Value):
    format: int = FORMAT
    module: str
    version: str
    core_version: str
    revisions: tuple[str, ...]
    """The module's own applied schema revisions, oldest first."""
    tables: tuple[TableRows, ...] = ()
    sequences: tuple[SequenceState, ...] = ()
    external_ids: tuple[ExternalId, ...] = ()
    seeded_rows: tuple[SeededRow, ...] = ()
    server_version: str
    client_version: int | None = None
    """Major version of the pg_dump that wrote the dump; None without a dump."""
    dump_bytes: int | None = Field(None, description="Size of the dump file; None when the module has no tables and there is none.")
    dump_sha256: str | None = None
    created_at: datetime

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)


@dataclass(frozen=True)
class Backup:
    """One finished backup on disk."""

    manifest_path: Path
    manifest: Manifest

    @property
    def id(self) -> str:
        return self.manifest_path.stem

    @property
    def dump_path(self) -> Path | None:
        return None if self.manifest.dump_bytes is None else self.manifest_path.with_suffix(".dump")

    def summary(self) -> dict[str, Any]:
        """For the operation log, the CLI and the API: no rows."""
        return {
            "id": self.id,
            "manifest": self.manifest_path.name,
            "dump": self.dump_path.name if self.dump_path else None,
            "module": self.manifest.module,
            "version": self.manifest.version,
            "created_at": self.manifest.created_at.isoformat(),
            "rows": self.manifest.rows,
            "tables": {table.name: table.rows for table in self.manifest.tables},
        }


def read_backup(manifest_path: Path) -> Backup:
    """Raises BackupDamaged if the manifest cannot be read, is of a later format, or its dump is missing or cut short."""
    try:
        manifest = Manifest.model_validate(json.loads(manifest_path.read_bytes()))
    except (OSError, ValueError, ValidationError) as error:
        raise BackupDamaged(manifest_path, f"its manifest is unreadable ({type(error).__name__})") from None
    if manifest.format > FORMAT:
        raise BackupDamaged(manifest_path, f"it has format {manifest.format}, this version reads up to {FORMAT}")
    backup = Backup(manifest_path, manifest)
    if backup.dump_path is not None:
        if not backup.dump_path.exists():
            raise BackupDamaged(manifest_path, f"{backup.dump_path.name} is missing")
        if backup.dump_path.stat().st_size != manifest.dump_bytes:
            raise BackupDamaged(manifest_path, f"{backup.dump_path.name} does not have its recorded size")
    return backup


def list_backups(storage: Path, module: str) -> list[Backup]:
    """The usable backups of a module, latest first; damaged ones are left out (naming one says what is wrong with it)."""
    found = []
    for path in (storage / "backups").glob("*.json"):
        name = _NAME.match(path.name)
        if name is None or name["module"] != module:
            continue
        try:
            found.append(read_backup(path))
        except BackupDamaged:
            continue
    return sorted(found, key=lambda backup: (backup.manifest.created_at, backup.id), reverse=True)


def damaged_backups(storage: Path, module: str) -> list[BackupDamaged]:
    """What is wrong with the backups of a module that `list_backups` leaves out."""
    found = []
    for path in sorted((storage / "backups").glob("*.json")):
        name = _NAME.match(path.name)
        if name is not None and name["module"] == module:
            try:
                read_backup(path)
            except BackupDamaged as error:
                found.append(error)
    return found


def modules_with_backups(storage: Path) -> list[str]:
    """The modules of which there are backups, damaged ones included."""
    names = {name["module"] for path in (storage / "backups").glob("*.json") if (name := _NAME.match(path.name)) is not None}
    return sorted(names)


def find_backup(storage: Path, module: str, file: str | None = None) -> Backup:
    """The latest backup, or the one named: an id, the name of either file, or a path to it.

    Raises BackupNotFound; BackupDamaged for one named that is of another module or unusable.
    """
    folder = storage / "backups"
    if file is None:
        backups = list_backups(storage, module)
        if not backups:
            raise BackupNotFound(module, folder)
        return backups[0]
    given = Path(file)
    stem = given.name.removesuffix(".json").removesuffix(".dump")
    for place in (given.parent, folder):
        path = place / f"{stem}.json"
        if path.is_file():
            backup = read_backup(path)
            if backup.manifest.module != module:
                raise BackupDamaged(path, f"it is of the module {backup.manifest.module}, not {module}")
            return backup
    raise BackupNotFound(module, folder, stem)
