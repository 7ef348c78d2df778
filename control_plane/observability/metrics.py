"""What the platform counts in its processes, and what a scrape reads from its tables.

Workers are several and come and go, so their work is read from the operations they leave behind. No label names a tenant or a person.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import extract, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.backups.metrics import readings as backup_readings
from control_plane.observability.waiting import readings as waiting_readings
from control_plane.operations.models import Operation, OperationStep
from control_plane.operations.states import OPEN, StepState
from control_plane.stuck.service import find as find_stuck
from control_plane.tenants.models import ObservedTenant, Tenant
from dentalpin_kit.metrics import Counter, Durations, Instruments, Reading

REQUESTS: Final = Counter("dentalpin_platform_http_requests", "Requests answered.", ("method", "route", "status"))
REQUEST_SECONDS: Final = Durations("dentalpin_platform_http_request_seconds", "Time until an answer began.", ("method", "route"))

INSTRUMENTS: Final = Instruments((REQUESTS, REQUEST_SECONDS))


_OF_STEPS: Final = (
    ("steps", "Steps done."),
    ("steps_seconds", "Time from their first attempt to their end."),
    ("step_attempts", "Attempts they took."),
)


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """A request was answered; `route` is its template."""
    REQUESTS.add(method, route, str(status))
    REQUEST_SECONDS.observe(seconds, method, route)


async def readings(session: AsyncSession, *, at: datetime) -> list[Reading]:
    """How tenants, operations and their steps stand in the database now."""
    tenants = select(Tenant.state, func.count()).group_by(Tenant.state).order_by(Tenant.state)
    observed = select(ObservedTenant.status, func.count()).group_by(ObservedTenant.status).order_by(ObservedTenant.status)
    kind_and_state = (Operation.kind, Operation.state)
    operations = select(*kind_and_state, func.count()).group_by(*kind_and_state).order_by(*kind_and_state)
    done = OperationStep.state == StepState.DONE
    took = func.sum(extract("epoch", OperationStep.finished_at - OperationStep.started_at))
    steps = (
        select(Operation.kind, OperationStep.name, func.count(), took, func.sum(OperationStep.attempts))
        .join(Operation, Operation.id == OperationStep.operation_id)
        .where(done)
        .group_by(Operation.kind, OperationStep.name)
        .order_by(Operation.kind, OperationStep.name)
    )
    stuck: dict[tuple[str, ...], float] = {}
    for one in await find_stuck(session, at=at):
        stuck[one.what, one.state] = max(one.age_seconds, stuck.get((one.what, one.state), 0.0))
    oldest = await session.scalar(select(func.min(Operation.created_at)).where(Operation.state.in_(OPEN)))
    step_rows = (await session.execute(steps)).all()
    labels = ("kind", "step")
    waited = max(0.0, (at - oldest).total_seconds()) if oldest is not None else 0.0
    return [
        Reading("dentalpin_platform_tenants", "Tenants by state.", ("state",), _rows(await _all(session, tenants), 1)),
        Reading("dentalpin_platform_runtimes", "Runtimes as last observed.", ("status",), _rows(await _all(session, observed), 1)),
        Reading("dentalpin_platform_operations", "Operations by state.", ("kind", "state"), _rows(await _all(session, operations), 2)),
        Reading(
            "dentalpin_platform_stuck_oldest_seconds",
            "How long the oldest thing in this state has waited for a person, or stood past its deadline.",
            ("what", "state"),
            tuple(sorted(stuck.items())),
        ),
        Reading("dentalpin_platform_operation_oldest_seconds", "Age of the oldest operation under way.", (), (((), waited),)),
        *(
            Reading(f"dentalpin_platform_{name}", about, labels, _rows(step_rows, 2, value=column), "counter")
            for column, (name, about) in enumerate(_OF_STEPS, start=2)
        ),
        *await backup_readings(session, at=at),
        *await waiting_readings(session, at=at),
    ]


async def _all(session: AsyncSession, query: Any) -> Sequence[Any]:
    return (await session.execute(query)).all()


def _rows(rows: Sequence[Any], labels: int, *, value: int | None = None) -> tuple[tuple[tuple[str, ...], float], ...]:
    return tuple((tuple(map(str, row[:labels])), float(row[labels if value is None else value] or 0)) for row in rows)
