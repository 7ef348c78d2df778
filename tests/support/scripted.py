"""Steps that do nothing but what a test says, for the machinery around them: every kind of operation, in milliseconds.

They pass the same fault points as real ones, and notice when two workers are at one tenant at a time.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from control_plane.errors import DomainError, TemporaryError
from control_plane.operations.kinds import OperationKind, StepName
from control_plane.operations.steps import STEPS, Outcome, Step, Tools, Work
from dentalpin_kit import faults


class Killed(BaseException):
    """The worker's process died here: nothing after this moment happened, and its lease goes on until its time."""


class Refused(DomainError):
    code = "refused_for_good"


class Away(TemporaryError):
    code = "away"


Choice = Callable[[OperationKind, StepName], BaseException | Awaitable[None] | None]


class Script:
    """What steps do: `choose` says what each attempt ends with. `done` and `begun` count attempts per (operation, step)."""

    def __init__(self) -> None:
        self.choose: Choice = lambda kind, step: None
        self.begun: Counter[tuple[UUID, StepName]] = Counter()
        self.done: Counter[tuple[UUID, StepName]] = Counter()
        self.order: list[StepName] = []
        self.at_work: Counter[UUID] = Counter()
        self.together: list[UUID] = []
        """Tenants at which two workers were at once; stays empty."""

    async def run(self, work: Work, tools: Tools) -> Outcome:
        tenant = work.placement.tenant_id
        self.begun[work.operation_id, work.step] += 1
        self.at_work[tenant] += 1
        if self.at_work[tenant] > 1:
            self.together.append(tenant)
        try:
            await asyncio.sleep(0)
            work.half_done()
            chosen = self.choose(work.kind, work.step)
            error = await chosen if isinstance(chosen, Awaitable) else chosen
            if error is not None:
                raise error
        finally:
            self.at_work[tenant] -= 1
        self.done[work.operation_id, work.step] += 1
        self.order.append(work.step)
        return Outcome()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in StepName:
            prepare = STEPS[name].prepare if name in (StepName.DEPLOY, StepName.INVITE, StepName.REDEPLOY) else None
            monkeypatch.setitem(STEPS, name, Step(self.run, prepare=prepare))


class Faults:
    """Fault points of this process, armed one after the other: what is armed fires once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.armed: str | None = None
        self.fired: list[str] = []
        self.error: Callable[[str], BaseException] = lambda name: faults.InjectedFault(name)
        monkeypatch.setattr(faults, "point", self._point)

    def arm(self, point: str, error: Callable[[str], BaseException]) -> None:
        self.armed, self.error = point, error

    def _point(self, name: str) -> None:
        if name == self.armed:
            self.armed = None
            self.fired.append(name)
            raise self.error(name)
