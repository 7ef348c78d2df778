"""Deleting old backups of modules. They hold patients' data, so nothing goes unless an age was set; the newest ones stay whatever it is."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from .manifest import Backup, list_backups, modules_with_backups

_DRAFT = re.compile(r"^\..+-\d{8}T\d{6}Z-[0-9a-f]{8}\..*draft$")
_DRAFT_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Retention:
    """`days` None: keep everything. `keep` counts per module."""

    keep: int = 1
    days: int | None = None


def expired(backups: Mapping[str, Sequence[Backup]], retention: Retention, now: datetime) -> list[Backup]:
    """What may go: older than the age, and not among its module's newest. Pure. Backups come latest first."""
    if retention.days is None:
        return []
    limit = now - timedelta(days=retention.days)
    return [backup for each in backups.values() for backup in each[retention.keep :] if backup.manifest.created_at < limit]


def prune(storage: Path, retention: Retention, *, dry_run: bool = False, now: datetime | None = None) -> list[Backup]:
    """Delete what may go, and drafts a killed process left more than a day ago; the backups concerned."""
    at = now or datetime.now(UTC)
    gone = expired({module: list_backups(storage, module) for module in modules_with_backups(storage)}, retention, at)
    if dry_run:
        return gone
    for backup in gone:
        # The manifest first: a backup is known by it, so what is left of a deletion that was cut short is nobody's backup.
        backup.manifest_path.unlink(missing_ok=True)
        backup.manifest_path.with_suffix(".dump").unlink(missing_ok=True)
    for draft in (storage / "backups").glob(".*draft"):
        if _DRAFT.match(draft.name) and datetime.fromtimestamp(draft.stat().st_mtime, UTC) < at - _DRAFT_AGE:
            draft.unlink(missing_ok=True)
    return gone
