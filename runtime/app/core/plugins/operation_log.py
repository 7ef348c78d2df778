"""The trail of the processor: each step's start and end, on a connection of its own, so that it outlives the module's transaction.

The same connection holds the processor's advisory lock. If it breaks, the next step fails and the open transaction is rolled back: a
process that lost its lock changes nothing.
"""

import os
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.observability.metrics import observe_step
from app.core.observability.work import at_work
from dentalpin_kit import faults

from .errors import ProcessorLockLost
from .models import core_module, core_module_operation_log

PROCESS = f"{socket.gethostname()}:{os.getpid()}"[-80:]


class OperationLog:
    """Writes for one run of the processor. `connection` is in autocommit mode."""

    def __init__(self, connection: AsyncConnection, generation: int | None) -> None:
        self._connection = connection
        self._generation = generation

    async def begin(self, module: str) -> int:
        """Count an attempt on the module before anything happens, so that crashes count too. Returns its number."""
        statement = (
            sa.update(core_module)
            .where(core_module.c.name == module)
            .values(attempts=core_module.c.attempts + 1)
            .returning(core_module.c.attempts)
        )
        return int((await self._execute(statement)).scalar_one())

    @asynccontextmanager
    async def step(self, module: str, operation: str, step: str, attempt: int) -> AsyncIterator[dict[str, Any]]:
        """Log the step around the block; what the block puts into the given dict is kept with its end."""
        details: dict[str, Any] = {}
        await self._write(module, operation, step, "started", attempt, {})
        faults.point(f"processor.{operation}.{step}.before")
        begun, outcome = time.perf_counter(), "failed"
        try:
            with at_work(f"module {operation}", module=module, operation=operation, step=step):
                yield details
            faults.point(f"processor.{operation}.{step}.after")
            outcome = "completed"
        except Exception as error:
            await self._write(module, operation, step, "failed", attempt, {**details, "error": describe(error)})
            raise
        finally:
            observe_step(module, operation, step, time.perf_counter() - begun, outcome)
        await self._write(module, operation, step, "completed", attempt, details)

    async def _write(self, module: str, operation: str, step: str, status: str, attempt: int, details: Mapping[str, Any]) -> None:
        await self._execute(
            sa.insert(core_module_operation_log).values(
                module_name=module,
                operation=operation,
                step=step,
                status=status,
                attempt=attempt,
                generation=self._generation,
                process=PROCESS,
                details=dict(details),
            )
        )

    async def _execute(self, statement: sa.Update | sa.Insert | Any) -> Any:
        try:
            return await self._connection.execute(statement)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise ProcessorLockLost from error
            raise


_ADVICE: Final = {
    "55P03": ": somebody else holds the lock; DENTALPIN_MIGRATION_LOCK_TIMEOUT says how long it is waited for",
    "57014": ": it took longer than DENTALPIN_MIGRATION_STATEMENT_TIMEOUT allows",
}
"""By SQLSTATE, for what PostgreSQL does not say in words of ours."""


def describe(error: BaseException) -> str:
    """One line a person can act on. Never a statement's parameters: they may hold rows."""
    if isinstance(error, DBAPIError):
        cause = getattr(error.orig, "__cause__", None)
        said = str(getattr(cause, "message", None) or error.orig).splitlines()[0]
        return said + _ADVICE.get(str(getattr(error.orig, "sqlstate", None)), "")
    text = str(error) or type(error).__name__
    return text if getattr(error, "message", None) or " " in text else f"{type(error).__name__}: {text}"
