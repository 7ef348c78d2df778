"""Reading and writing `core_module`. Every change of state goes through `move`, which knows the transition table and nothing else does."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from . import states
from .errors import IllegalTransition
from .models import ModuleRecord, core_module, core_module_operation_log, core_table_owner
from .states import State, Trigger
from .topology import ordered

MODULES_CHANNEL: Final = "core_modules"
"""Notified when a module is switched on or off, so that every process notices at once. Missed, it is seen at the next look."""
CLEARED: Final[Mapping[str, Any]] = {"attempts": 0, "error_message": None, "error_at": None, "next_attempt_at": None}
"""What a row no longer says once something else was asked of the module."""

Executor = AsyncConnection | AsyncSession


async def read_records(executor: Executor) -> dict[str, ModuleRecord]:
    """Every module the books know, by name."""
    rows = await executor.execute(sa.select(core_module).order_by(core_module.c.name))
    return {row.name: ModuleRecord.of(row) for row in rows}


async def claim(executor: Executor, name: str) -> ModuleRecord | None:
    """The module's row, locked until the transaction ends: two processors never work on one module."""
    row = (await executor.execute(sa.select(core_module).where(core_module.c.name == name).with_for_update())).one_or_none()
    return None if row is None else ModuleRecord.of(row)


async def move(executor: Executor, record: ModuleRecord, on: Trigger, **values: Any) -> State:
    """Take the module to the state that follows. Raises IllegalTransition if there is none, or if somebody else moved it meanwhile."""
    target = states.target(record.name, record.state, on, switched_off=record.switched_off)
    moved = await executor.execute(
        sa.update(core_module)
        .where(core_module.c.name == record.name, core_module.c.state == record.state)
        .values(state=target, last_state_change=sa.func.now(), **values)
        .returning(core_module.c.name)
    )
    if moved.one_or_none() is None:
        raise IllegalTransition(record.name, record.state, on)
    return target


async def note_error(executor: Executor, name: str, message: str | None, *, next_attempt_at: datetime | None = None) -> None:
    """Keep why the module is not as asked, and when it is tried again; None clears it. The same message again keeps its time."""
    column = core_module.c
    same = column.error_message.is_not_distinct_from(message)
    moment = None if message is None else sa.case((same, sa.func.coalesce(column.error_at, sa.func.now())), else_=sa.func.now())
    await executor.execute(
        sa.update(core_module)
        .where(column.name == name, sa.or_(sa.not_(same), column.next_attempt_at.is_distinct_from(next_attempt_at)))
        .values(error_message=message, error_at=moment, next_attempt_at=next_attempt_at)
    )


async def table_owners(executor: Executor) -> dict[str, str]:
    """{table: module} for every table a module's migrations made."""
    rows = await executor.execute(sa.select(core_table_owner.c.table_name, core_table_owner.c.module_name))
    return {row.table_name: row.module_name for row in rows}


async def operations(executor: Executor, module: str | None = None, *, limit: int = 20) -> list[Mapping[str, Any]]:
    """The newest entries of the operation log, newest first."""
    query = sa.select(core_module_operation_log).order_by(core_module_operation_log.c.id.desc()).limit(limit)
    if module is not None:
        query = query.where(core_module_operation_log.c.module_name == module)
    return [dict(row._mapping) for row in await executor.execute(query)]


def mountable(records: Mapping[str, ModuleRecord], present: Sequence[str] | set[str] | frozenset[str]) -> list[str]:
    """The modules a serving process may mount, dependencies first: installed, with their package `present`, and so all they need.

    Those that are switched off are among them: the registry keeps them out of use, and switching on needs no restart. A module whose
    upgrade failed is not (its code is newer than its tables), nor is whatever depends on it.
    """
    chosen: list[str] = []
    for name in ordered({name: record.depends for name, record in records.items()}):
        record = records[name]
        if record.state in states.IN_FORCE and name in present and all(need in chosen for need in record.depends):
            chosen.append(name)
    return chosen
