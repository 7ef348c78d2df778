"""Final dumps of a module's rows, and the way back.

`dump_module` is the uninstall's first step, inside the transaction that drops the tables; `restore_module` is what
`dentalpin modules restore` runs. Both take a connection of the owner and commit nothing.
"""

from .archive import RowDigest
from .dump import dump_module
from .errors import (
    BackupDamaged,
    BackupError,
    BackupMismatch,
    BackupNotFound,
    ClientToolsMissing,
    ClientToolsTooOld,
    DumpFailed,
    ReferenceLost,
    RestoreRefused,
    RevisionMissing,
    RowsDoNotFit,
    RowsPresent,
    StorageFull,
)
from .manifest import Backup, Manifest, find_backup, list_backups
from .restore import Migrations, Present, Restored, restore_module

__all__ = [
    "Backup",
    "BackupDamaged",
    "BackupError",
    "BackupMismatch",
    "BackupNotFound",
    "ClientToolsMissing",
    "ClientToolsTooOld",
    "DumpFailed",
    "Manifest",
    "Migrations",
    "Present",
    "ReferenceLost",
    "RestoreRefused",
    "Restored",
    "RevisionMissing",
    "RowDigest",
    "RowsDoNotFit",
    "RowsPresent",
    "StorageFull",
    "dump_module",
    "find_backup",
    "list_backups",
    "restore_module",
]
