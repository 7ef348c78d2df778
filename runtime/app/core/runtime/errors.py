"""What can stop a runtime from starting, or a caller from being believed. Each says what to do."""

from typing import ClassVar

from dentalpin_kit.problems import DomainError


class BootFailed(DomainError):
    """This process cannot serve. `code` and message reach the supervisor and the platform."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "boot_failed"


class SettingMissing(BootFailed):
    code: ClassVar[str] = "setting_missing"


class SettingInvalid(BootFailed):
    code: ClassVar[str] = "setting_invalid"


class DatabaseUnreachable(BootFailed):
    code: ClassVar[str] = "database_unreachable"


class CoreMigrationFailed(BootFailed):
    code: ClassVar[str] = "core_migration_failed"


class ModulesNotAsAsked(BootFailed):
    """The processor could not do everything, and an older process still serves what was there before."""

    code: ClassVar[str] = "modules_not_as_asked"


class RevisionRefused(BootFailed):
    """The revision given to this process may not be adopted."""

    code: ClassVar[str] = "revision_refused"


class RevisionUnreadable(RevisionRefused):
    code: ClassVar[str] = "revision_unreadable"


class RevisionOlder(RevisionRefused):
    code: ClassVar[str] = "revision_older"


class RevisionConflict(RevisionRefused):
    """The same generation with another content, or another tenant's revision."""

    code: ClassVar[str] = "revision_conflict"


class StandAlone(DomainError):
    """Asked for something only a platform may ask for, and this runtime has none."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "stand_alone"

    def __init__(self) -> None:
        super().__init__("this runtime was started without a revision, so no platform speaks for it; use its own API and CLI")


class PlatformTokenMissing(DomainError):
    status: ClassVar[int] = 401
    code: ClassVar[str] = "platform_token_missing"

    def __init__(self) -> None:
        super().__init__("this address answers the platform only: send its signed token as `Authorization: Bearer …`")
