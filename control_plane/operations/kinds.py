"""What work there is, of which steps it is made and what it means to its tenant: the one table the worker goes by.

The worker's fault points are `worker.<kind>.<step>.<before|in|after>`. What each step does is in control_plane/operations/steps.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from control_plane.tenants.states import TenantEvent


class OperationKind(StrEnum):
    PROVISION = "provision"
    CHANGE_MODULES = "change_modules"
    UPGRADE = "upgrade"
    INVITE = "invite"
    BACKUP = "backup"
    RESTORE = "restore"
    CLONE = "clone"
    EXPORT = "export"
    REHEARSE = "rehearse"
    ARCHIVE = "archive"
    """It was not paid for: back up, verify the backup, stop the runtime and keep everything."""
    REOPEN = "reopen"
    CLOSE = "close"
    """Deletion was asked: stop the runtime and keep everything for as long as it can be undone."""
    UNDO_DELETE = "undo_delete"
    DELETE = "delete"
    ERASE = "erase"
    ROTATE_PASSWORDS = "rotate_passwords"
    """Give the clinic's runtime new database passwords, and take the earlier ones away once nothing uses them."""
    BILL = "bill"
    """Read the payment provider, and tell it what is to be paid."""


class StepName(StrEnum):
    SECRETS = "secrets"
    DATABASE = "database"
    NEW_PASSWORDS = "new_passwords"
    """Make the next serial's passwords, and let them in beside the present ones."""
    CLOSE_LOGINS = "close_logins"
    """Once nothing is connected by the earlier passwords: let them in no more."""
    DEPLOY = "deploy"
    ATTEST = "attest"
    INVITE = "invite"
    BACKUP = "backup"
    VERIFY = "verify"
    """Restore the backup that was made, compare it, drop it again."""
    PLAN = "plan"
    """Record the revision on another release, if it still suits."""
    STOP = "stop"
    LOAD = "load"
    """Replace the database's content by a backup's."""
    GO_BACK = "go_back"
    """Record the revision to go back to."""
    UNDO_DATA = "undo_data"
    """Put back the data kept before the first step that changed any; nothing where none did."""
    REDEPLOY = "redeploy"
    REATTEST = "reattest"
    SCRATCH = "scratch"
    REHEARSE = "rehearse"
    CLEAR = "clear"
    EXPORT = "export"
    DUMP = "dump"
    DROP = "drop"
    REMOVE = "remove"
    ERASE = "erase"
    SYNC = "sync"
    """Bring about at the payment provider what was agreed, and take over what it says."""


@dataclass(frozen=True, slots=True)
class StepKind:
    patience: timedelta
    """How long one attempt may take before it counts as failed for now."""
    skippable: bool = False
    """Whether a person may leave it out: nothing that follows needs it, and it can be made up for later."""


@dataclass(frozen=True, slots=True)
class Kind:
    steps: tuple[StepName, ...]
    deadline: timedelta
    """From the request (or the retry, or the turning back) to giving up with a reason."""
    back: tuple[StepName, ...] = ()
    """What takes it back when it fails or a person says so. A name that is also among `steps` is done even where the rest is left out."""
    tries: int | None = None
    """How often in a row a step may fail for what is ours to mend before it turns back; nothing that is away for now counts."""
    back_from: StepName | None = None
    """The step whose beginning leaves something to take back; failing before it is simply failing. The first step: always."""
    no_cancel_from: StepName | None = None
    """From the beginning of this step it can only be finished, or rolled back where it has a way back."""
    supersedes: frozenset[OperationKind] = frozenset()
    """Which older kinds it makes pointless. They end at their next step boundary."""
    lets_pass: bool = False
    """While it waits for its next attempt it keeps no later operation waiting, and no comparison of desired and observed."""
    cancels_all: bool = False
    start: TenantEvent | None = None
    success: TenantEvent | None = None
    failure: TenantEvent | None = None
    returned: TenantEvent | None = None
    """What it means to its tenant when everything was taken back."""

    @property
    def all_steps(self) -> tuple[StepName, ...]:
        return (*self.steps, *(name for name in self.back if name not in self.steps))


S, K, E = StepName, OperationKind, TenantEvent
STEP_KINDS: Final = {
    S.SECRETS: StepKind(timedelta(seconds=30)),
    S.DATABASE: StepKind(timedelta(seconds=60)),
    S.NEW_PASSWORDS: StepKind(timedelta(seconds=60)),
    S.CLOSE_LOGINS: StepKind(timedelta(seconds=60)),
    S.DEPLOY: StepKind(timedelta(seconds=60)),
    S.ATTEST: StepKind(timedelta(seconds=60)),
    S.INVITE: StepKind(timedelta(seconds=60), skippable=True),
    S.BACKUP: StepKind(timedelta(minutes=30)),
    S.VERIFY: StepKind(timedelta(minutes=30)),
    S.PLAN: StepKind(timedelta(seconds=60)),
    S.STOP: StepKind(timedelta(seconds=120)),
    S.LOAD: StepKind(timedelta(minutes=30)),
    S.GO_BACK: StepKind(timedelta(seconds=60)),
    S.UNDO_DATA: StepKind(timedelta(minutes=30)),
    S.REDEPLOY: StepKind(timedelta(seconds=60)),
    S.REATTEST: StepKind(timedelta(seconds=60)),
    S.SCRATCH: StepKind(timedelta(minutes=30)),
    S.REHEARSE: StepKind(timedelta(minutes=15)),
    S.CLEAR: StepKind(timedelta(seconds=120), skippable=True),
    S.EXPORT: StepKind(timedelta(minutes=60)),
    S.DUMP: StepKind(timedelta(minutes=30)),
    S.DROP: StepKind(timedelta(seconds=120)),
    S.REMOVE: StepKind(timedelta(seconds=120)),
    S.ERASE: StepKind(timedelta(minutes=15)),
    S.SYNC: StepKind(timedelta(minutes=5)),
}

KINDS: Final = {
    K.PROVISION: Kind(
        (S.SECRETS, S.DATABASE, S.DEPLOY, S.ATTEST, S.INVITE),
        timedelta(minutes=15),
        supersedes=frozenset({K.PROVISION, K.CHANGE_MODULES}),
        start=E.PROVISION_STARTED,
        success=E.ATTESTED,
        failure=E.OPERATION_FAILED,
    ),
    K.CHANGE_MODULES: Kind(
        (S.DEPLOY, S.ATTEST),
        timedelta(minutes=15),
        supersedes=frozenset({K.CHANGE_MODULES}),
        start=E.CHANGE_STARTED,
        success=E.ATTESTED,
        failure=E.OPERATION_FAILED,
    ),
    K.UPGRADE: Kind(
        (S.BACKUP, S.PLAN, S.DEPLOY, S.ATTEST),
        timedelta(minutes=60),
        tries=8,
        back=(S.GO_BACK, S.UNDO_DATA, S.REDEPLOY, S.REATTEST),
        back_from=S.BACKUP,
        no_cancel_from=S.DEPLOY,
        supersedes=frozenset({K.CHANGE_MODULES}),
        start=E.CHANGE_STARTED,
        success=E.ATTESTED,
        failure=E.OPERATION_FAILED,
        returned=E.ATTESTED,
    ),
    K.INVITE: Kind((S.INVITE,), timedelta(minutes=30), supersedes=frozenset({K.INVITE})),
    K.BACKUP: Kind((S.BACKUP,), timedelta(minutes=90), supersedes=frozenset({K.BACKUP})),
    K.RESTORE: Kind(
        # Loaded and compared while the clinic serves; its last state is backed up once nobody can add to it.
        (S.SCRATCH, S.STOP, S.BACKUP, S.LOAD, S.DEPLOY, S.ATTEST),
        timedelta(minutes=120),
        back=(S.UNDO_DATA, S.REDEPLOY, S.REATTEST),
        back_from=S.STOP,
        no_cancel_from=S.STOP,
        start=E.RESTORE_STARTED,
        success=E.ATTESTED,
        failure=E.OPERATION_FAILED,
        returned=E.ATTESTED,
    ),
    K.CLONE: Kind(
        (S.SECRETS, S.DATABASE, S.LOAD, S.DEPLOY, S.ATTEST),
        timedelta(minutes=90),
        start=E.PROVISION_STARTED,
        success=E.ATTESTED,
        failure=E.OPERATION_FAILED,
    ),
    K.EXPORT: Kind((S.EXPORT,), timedelta(minutes=120), supersedes=frozenset({K.EXPORT})),
    K.REHEARSE: Kind(
        (S.SCRATCH, S.REHEARSE, S.CLEAR),
        timedelta(minutes=90),
        back=(S.CLEAR,),
        back_from=S.SCRATCH,
        supersedes=frozenset({K.REHEARSE}),
    ),
    K.ARCHIVE: Kind(
        (S.BACKUP, S.VERIFY, S.STOP),
        timedelta(hours=3),
        start=E.ARCHIVE_STARTED,
        success=E.ARCHIVED,
        failure=E.OPERATION_FAILED,
    ),
    K.REOPEN: Kind(
        # Everything is made sure of: it may have been archived in the middle of anything.
        (S.SECRETS, S.DATABASE, S.DEPLOY, S.ATTEST),
        timedelta(minutes=15),
        supersedes=frozenset({K.ARCHIVE}),
        start=E.REOPEN_STARTED,
        success=E.ATTESTED,
        failure=E.OPERATION_FAILED,
    ),
    K.CLOSE: Kind((S.STOP,), timedelta(minutes=30), cancels_all=True, start=E.CLOSE_STARTED),
    K.UNDO_DELETE: Kind(
        # Everything is made sure of: the deletion may have come in the middle of anything.
        (S.SECRETS, S.DATABASE, S.DEPLOY, S.ATTEST),
        timedelta(minutes=15),
        supersedes=frozenset({K.CLOSE}),
        start=E.UNDO_STARTED,
        success=E.ATTESTED,
        failure=E.OPERATION_FAILED,
    ),
    K.DELETE: Kind(
        (S.STOP, S.DUMP, S.DROP, S.REMOVE),
        timedelta(minutes=60),
        no_cancel_from=S.DROP,
        cancels_all=True,
        start=E.DELETE_STARTED,
        success=E.REMOVED,
        failure=E.OPERATION_FAILED,
    ),
    K.ERASE: Kind((S.ERASE,), timedelta(minutes=60), no_cancel_from=S.ERASE),
    K.ROTATE_PASSWORDS: Kind(
        (S.NEW_PASSWORDS, S.DEPLOY, S.ATTEST, S.CLOSE_LOGINS),
        timedelta(minutes=90),
        # From here the runtime may be on either: both let it in until the earlier ones are closed.
        no_cancel_from=S.DEPLOY,
        supersedes=frozenset({K.ROTATE_PASSWORDS}),
        start=E.CHANGE_STARTED,
        success=E.ATTESTED,
        failure=E.OPERATION_FAILED,
    ),
    K.BILL: Kind((S.SYNC,), timedelta(days=3), supersedes=frozenset({K.BILL}), lets_pass=True),
}
del S, K, E

ASIDE: Final = frozenset(name for name, kind in KINDS.items() if kind.start is None)
"""Kinds that leave their tenant's state alone."""
LETS_PASS: Final = frozenset(name for name, kind in KINDS.items() if kind.lets_pass)
