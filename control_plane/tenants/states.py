"""Life of a tenant. Diagram and table in docs/reference/states.md are generated from MACHINE.

What is under way has a deadline and somebody who ends it: an open operation, or for `closing` the pass that deletes what is due. What is
stuck waits for a person: the reason is stored beside it, and asking again (the same request, or a retry of the operation) gets it unstuck.
"""

from enum import StrEnum
from typing import Final

from control_plane.transitions import About, Standing, StateMachine, Transition


class TenantState(StrEnum):
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    CHANGING = "changing"
    RESTORING = "restoring"
    FAILED = "failed"
    DEGRADED = "degraded"
    ARCHIVING = "archiving"
    ARCHIVED = "archived"
    CLOSING = "closing"
    DELETING = "deleting"
    DELETE_FAILED = "delete_failed"
    DELETED = "deleted"


class TenantEvent(StrEnum):
    PROVISION_STARTED = "provision started"
    ATTESTED = "attested"
    CHANGE_STARTED = "change started"
    RESTORE_STARTED = "restore started"
    ARCHIVE_STARTED = "archiving started"
    ARCHIVED = "backup verified and runtime stopped"
    REOPEN_STARTED = "reopening started"
    OPERATION_FAILED = "operation failed"
    CLOSE_STARTED = "deletion asked"
    UNDO_STARTED = "deletion undone"
    DELETE_STARTED = "delete started"
    REMOVED = "removed"


S, E = TenantState, TenantEvent
_DEADLINE: Final = "of the operation; past it the operation gives up with its reason"
_OPERATION: Final = "the operation's own: retry, cancel, roll back; `POST /v1/tenants/{slug}/unstick`"
MACHINE: Final = StateMachine(
    "The tenant",
    initial=S.PROVISIONING,
    final=frozenset({S.DELETED}),
    transitions=(
        Transition(S.PROVISIONING, E.PROVISION_STARTED, S.PROVISIONING),
        Transition(S.PROVISIONING, E.ATTESTED, S.ACTIVE),
        Transition(S.PROVISIONING, E.OPERATION_FAILED, S.FAILED),
        Transition(S.FAILED, E.PROVISION_STARTED, S.PROVISIONING),
        Transition(S.ACTIVE, E.ATTESTED, S.ACTIVE),
        Transition(S.ACTIVE, E.CHANGE_STARTED, S.CHANGING),
        Transition(S.DEGRADED, E.CHANGE_STARTED, S.CHANGING),
        # The runtime came round by itself: the worker saw it run what is desired.
        Transition(S.DEGRADED, E.ATTESTED, S.ACTIVE),
        Transition(S.CHANGING, E.CHANGE_STARTED, S.CHANGING),
        Transition(S.CHANGING, E.ATTESTED, S.ACTIVE),
        Transition(S.CHANGING, E.OPERATION_FAILED, S.DEGRADED),
        # Nothing else may change while data is put back: a restore starts from rest, and what is asked meanwhile is refused.
        Transition(S.ACTIVE, E.RESTORE_STARTED, S.RESTORING),
        Transition(S.DEGRADED, E.RESTORE_STARTED, S.RESTORING),
        Transition(S.RESTORING, E.ATTESTED, S.ACTIVE),
        Transition(S.RESTORING, E.OPERATION_FAILED, S.DEGRADED),
        # Nobody pays for it any more: everything is kept, and nothing runs.
        Transition(S.ACTIVE, E.ARCHIVE_STARTED, S.ARCHIVING),
        Transition(S.DEGRADED, E.ARCHIVE_STARTED, S.ARCHIVING),
        Transition(S.ARCHIVING, E.ARCHIVED, S.ARCHIVED),
        Transition(S.ARCHIVING, E.OPERATION_FAILED, S.DEGRADED),
        Transition(S.ARCHIVING, E.REOPEN_STARTED, S.CHANGING),
        Transition(S.ARCHIVED, E.REOPEN_STARTED, S.CHANGING),
        *(
            Transition(source, E.CLOSE_STARTED, S.CLOSING)
            for source in (S.PROVISIONING, S.FAILED, S.ACTIVE, S.CHANGING, S.RESTORING, S.DEGRADED, S.ARCHIVING, S.ARCHIVED)
        ),
        Transition(S.CLOSING, E.UNDO_STARTED, S.CHANGING),
        *(
            Transition(source, E.DELETE_STARTED, S.DELETING)
            for source in (
                *(S.PROVISIONING, S.FAILED, S.ACTIVE, S.CHANGING, S.RESTORING, S.DEGRADED),
                *(S.ARCHIVING, S.ARCHIVED, S.CLOSING, S.DELETE_FAILED),
            )
        ),
        # Cancelled, or failed, before anything was dropped.
        Transition(S.DELETE_FAILED, E.UNDO_STARTED, S.CHANGING),
        Transition(S.DELETING, E.OPERATION_FAILED, S.DELETE_FAILED),
        Transition(S.DELETING, E.REMOVED, S.DELETED),
    ),
    about={
        S.PROVISIONING: About(Standing.UNDER_WAY, "Being set up for the first time.", _DEADLINE, _OPERATION),
        S.ACTIVE: About(Standing.STABLE, "Its runtime proved the desired revision, or sleeps with it."),
        S.CHANGING: About(Standing.UNDER_WAY, "On its way to another revision; the one before goes on serving.", _DEADLINE, _OPERATION),
        S.RESTORING: About(Standing.UNDER_WAY, "Its data is being replaced by a backup's.", _DEADLINE, _OPERATION),
        S.FAILED: About(
            Standing.STUCK,
            "It could not be set up and never served.",
            "",
            "retry the operation, or `PUT …/modules` with what it should run",
        ),
        S.DEGRADED: About(
            Standing.STUCK,
            "Its last change failed or was cancelled; what was there before serves where it can.",
            "",
            "retry the operation, `PUT …/modules`, or restore a backup; it ends by itself when the runtime comes round",
        ),
        S.ARCHIVING: About(
            Standing.UNDER_WAY, "A last backup is made and verified before its runtime is stopped.", _DEADLINE, f"{_OPERATION}; paying"
        ),
        S.ARCHIVED: About(
            Standing.STABLE, "Not paid for: its runtime is stopped, everything is kept and can be exported; paying reopens it as it was."
        ),
        S.CLOSING: About(
            Standing.UNDER_WAY,
            "Deletion was asked: the runtime is stopped and everything is kept.",
            "`delete_after`; from then on it is deleted",
            "undo the deletion, or delete at once",
        ),
        S.DELETING: About(Standing.UNDER_WAY, "Being dumped and removed.", _DEADLINE, _OPERATION),
        S.DELETE_FAILED: About(
            Standing.STUCK,
            "Something of it could not be removed.",
            "",
            "retry the operation, or `DELETE` again; undo it while its data is still there",
        ),
        S.DELETED: About(Standing.FINAL, "Gone; the row stays for the books and for what is kept of it."),
    },
)
del S, E

UNDER_WAY: Final = MACHINE.standing(Standing.UNDER_WAY)
STUCK: Final = MACHINE.standing(Standing.STUCK)
GOING: Final = frozenset({TenantState.CLOSING, TenantState.DELETING, TenantState.DELETE_FAILED, TenantState.DELETED})
"""It takes no more changes, only the undoing of its deletion."""
