"""Life of a tenant. The diagram in docs/reference/states.md is generated from MACHINE.

`provisioning`, `changing` and `deleting` are under way: they have a deadline and an open operation. `failed`, `degraded` and
`delete_failed` wait for a person: the reason is stored beside them, and asking again (the same request, or a retry of the
operation) gets them unstuck.
"""

from enum import StrEnum
from typing import Final

from control_plane.transitions import StateMachine, Transition


class TenantState(StrEnum):
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    CHANGING = "changing"
    FAILED = "failed"
    DEGRADED = "degraded"
    DELETING = "deleting"
    DELETE_FAILED = "delete_failed"
    DELETED = "deleted"


class TenantEvent(StrEnum):
    PROVISION_STARTED = "provision started"
    ATTESTED = "attested"
    CHANGE_STARTED = "change started"
    OPERATION_FAILED = "operation failed"
    DELETE_STARTED = "delete started"
    REMOVED = "removed"


UNDER_WAY: Final = frozenset({TenantState.PROVISIONING, TenantState.CHANGING, TenantState.DELETING})

S, E = TenantState, TenantEvent
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
        *(
            Transition(source, E.DELETE_STARTED, S.DELETING)
            for source in (S.PROVISIONING, S.FAILED, S.ACTIVE, S.CHANGING, S.DEGRADED, S.DELETE_FAILED)
        ),
        Transition(S.DELETING, E.OPERATION_FAILED, S.DELETE_FAILED),
        Transition(S.DELETING, E.REMOVED, S.DELETED),
    ),
)
del S, E
