from typing import ClassVar
from uuid import UUID

from control_plane.errors import Conflict, DomainError, Invalid, NotFound


class UnknownBackup(NotFound):
    code: ClassVar[str] = "unknown_backup"

    def __init__(self, backup_id: UUID | str) -> None:
        super().__init__(f"This tenant has no backup {backup_id}. Its list of backups names them.", backup=str(backup_id))


class BackupNotReady(Conflict):
    code: ClassVar[str] = "backup_not_ready"

    def __init__(self, backup_id: UUID, state: str) -> None:
        super().__init__(
            f"The backup {backup_id} is {state}; only one that is ready can be restored or downloaded. Choose another one.",
            backup=str(backup_id),
            state=state,
        )


class NoBackup(Conflict):
    code: ClassVar[str] = "no_backup"

    def __init__(self, slug: str) -> None:
        super().__init__(f"{slug} has no backup that is ready. Take one first: POST /v1/tenants/{slug}/backups.", tenant=slug)


class NothingToBackUp(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "nothing_to_back_up"

    def __init__(self, slug: str) -> None:
        super().__init__(f"{slug} has no database. Finish setting it up; if its database was lost, restore a backup.", tenant=slug)


class RestoreDiffers(DomainError):
    """What was restored is not what was backed up. Nothing was replaced by it."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "restore_differs"

    def __init__(self, backup_id: UUID, differences: list[str]) -> None:
        said = "; ".join(differences[:5]) + (f"; and {len(differences) - 5} more" if len(differences) > 5 else "")
        super().__init__(
            f"What was restored from backup {backup_id} is not what it was made of: {said}. Nothing was replaced. Use another backup.",
            backup=str(backup_id),
            differences=differences,
        )


class CopyOfCopy(Conflict):
    code: ClassVar[str] = "copy_of_copy"

    def __init__(self, slug: str) -> None:
        why = "it has no backups, and it is deleted on its day"
        super().__init__(f"{slug} is a copy itself: {why}. Copy the clinic it was made from.", tenant=slug)


class EveryHoursInvalid(Invalid):
    code: ClassVar[str] = "every_hours_invalid"

    def __init__(self, given: int) -> None:
        super().__init__(f"Backups every {given} hours do not divide a day. Choose 1, 2, 3, 4, 6, 8, 12 or 24.", every_hours=given)


class BackupUnverified(DomainError):
    """A clinic is not archived on the strength of a backup that cannot be restored."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "backup_unverified"

    def __init__(self, backup_id: UUID) -> None:
        super().__init__(
            f"The backup {backup_id} could not be restored, so the clinic was not stopped; it goes on as it was. "
            "`GET /v1/backup-checks` says why. Mend that, then retry the operation.",
            backup=str(backup_id),
        )
