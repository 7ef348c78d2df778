"""Life of a backup. The diagram in docs/reference/states.md is generated from MACHINE."""

from enum import StrEnum
from typing import Final

from control_plane.transitions import About, Standing, StateMachine, Transition


class BackupState(StrEnum):
    MAKING = "making"
    READY = "ready"
    FAILED = "failed"
    DELETING = "deleting"
    DELETED = "deleted"


class BackupEvent(StrEnum):
    MADE = "made and read back"
    GIVEN_UP = "its operation ended without it"
    RETAINED_LONG_ENOUGH = "retained long enough"
    REMOVED = "removed from the object store"


class BackupCause(StrEnum):
    SCHEDULED = "scheduled"
    ASKED = "asked"
    BEFORE_UPGRADE = "before_upgrade"
    BEFORE_RESTORE = "before_restore"
    ARCHIVE = "archive"


S, E = BackupState, BackupEvent
MACHINE: Final = StateMachine(
    "The backup",
    initial=S.MAKING,
    final=frozenset({S.FAILED, S.DELETED}),
    transitions=(
        Transition(S.MAKING, E.MADE, S.READY),
        Transition(S.MAKING, E.GIVEN_UP, S.FAILED),
        Transition(S.READY, E.RETAINED_LONG_ENOUGH, S.DELETING),
        Transition(S.DELETING, E.REMOVED, S.DELETED),
    ),
    about={
        S.MAKING: About(
            Standing.UNDER_WAY,
            "Its operation dumps, encrypts, stores and reads it back.",
            deadline="That of its operation.",
            way_out="That of its operation; once that has ended, the pass `backups_tidy` ends it.",
        ),
        S.READY: About(Standing.STABLE, "It was read back whole, and can be restored."),
        S.FAILED: About(Standing.FINAL, "It was never finished; nothing of it is kept."),
        S.DELETING: About(
            Standing.UNDER_WAY,
            "Its objects are being removed.",
            deadline="The next run of the pass `backups_tidy`.",
            way_out="The pass goes on by itself once the object store answers.",
        ),
        S.DELETED: About(Standing.FINAL, "Its objects are gone; the row says when and why."),
    },
)
del S, E
