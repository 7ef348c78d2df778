"""What work there is and of which steps it is made, in order. The worker's fault points are `worker.<kind>.<step>.<before|after>`."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final


class OperationKind(StrEnum):
    PROVISION = "provision"
    CHANGE_MODULES = "change_modules"
    INVITE = "invite"
    DELETE = "delete"


class StepName(StrEnum):
    SECRETS = "secrets"
    DATABASE = "database"
    DEPLOY = "deploy"
    ATTEST = "attest"
    INVITE = "invite"
    STOP = "stop"
    DUMP = "dump"
    DROP = "drop"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Kind:
    steps: tuple[StepName, ...]
    deadline: timedelta
    """From the request (or the retry) to giving up with a reason."""


KINDS: Final = {
    OperationKind.PROVISION: Kind(
        (StepName.SECRETS, StepName.DATABASE, StepName.DEPLOY, StepName.ATTEST, StepName.INVITE), timedelta(minutes=15)
    ),
    OperationKind.CHANGE_MODULES: Kind((StepName.DEPLOY, StepName.ATTEST), timedelta(minutes=15)),
    OperationKind.INVITE: Kind((StepName.INVITE,), timedelta(minutes=30)),
    OperationKind.DELETE: Kind((StepName.STOP, StepName.DUMP, StepName.DROP, StepName.REMOVE), timedelta(minutes=60)),
}

PATIENCE: Final = {
    StepName.SECRETS: timedelta(seconds=30),
    StepName.DATABASE: timedelta(seconds=60),
    StepName.DEPLOY: timedelta(seconds=60),
    StepName.ATTEST: timedelta(seconds=60),
    StepName.INVITE: timedelta(seconds=60),
    StepName.STOP: timedelta(seconds=120),
    StepName.DUMP: timedelta(minutes=30),
    StepName.DROP: timedelta(seconds=120),
    StepName.REMOVE: timedelta(seconds=120),
}
"""How long one attempt of a step may take before it counts as failed for now."""

SUPERSEDES: Final = {
    OperationKind.PROVISION: frozenset({OperationKind.PROVISION, OperationKind.CHANGE_MODULES}),
    OperationKind.CHANGE_MODULES: frozenset({OperationKind.CHANGE_MODULES}),
    OperationKind.INVITE: frozenset({OperationKind.INVITE}),
    OperationKind.DELETE: frozenset(),
}
"""Which older kinds an operation makes pointless. A deletion supersedes nothing: it cancels everything."""
