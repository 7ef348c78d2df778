"""Filling a demonstration: a module that is installed there writes invented records, in the transaction that installs it.

Whether the clinic is one is read from the revision that was adopted; a clinic of somebody's own is never filled.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.core import clock
from app.core.demos.demo import Demo, DemoClinic
from app.database import joined_unit

from .base import BaseModule, ModuleContext
from .errors import HookFailed
from .operation_log import describe

if TYPE_CHECKING:
    from .operation import Run
    from .target import Target

_DEMO: Final = sa.text(
    "SELECT document FROM core_revision WHERE document ? 'demo' AND generation = (SELECT max(generation) FROM core_revision)"
)
_CLINIC: Final = sa.text("SELECT id, timezone FROM clinics ORDER BY created_at, id LIMIT 1")
_OWNER: Final = sa.text("SELECT id FROM users WHERE is_owner ORDER BY created_at, id LIMIT 1")


async def fill(connection: AsyncConnection, run: "Run", target: "Target", after_commit: list[Callable[[], object]]) -> bool:
    """Have the module fill the demonstration; False where this is none, or it has nothing to show. Raises HookFailed."""
    module = target.found.module
    if run.workshop.generation is None or type(module).fill_demo is BaseModule.fill_demo:
        return False
    clinic = await _clinic(connection)
    if clinic is None:
        return False
    async with AsyncSession(bind=connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
        own_logger = logging.getLogger(f"app.modules.{target.name}")
        context = ModuleContext(target.name, target.manifest.version, session, own_logger, run.workshop.storage)
        async with joined_unit(session) as unit:
            try:
                await module.fill_demo(context, clinic)
                await session.commit()
            except Exception as error:
                # The module's own code: whatever it raises stops this module and no other.
                raise HookFailed(target.name, "fill_demo", describe(error)) from error
        after_commit.append(unit.committed)
    return True


async def _clinic(connection: AsyncConnection) -> DemoClinic | None:
    document: dict[str, Any] | None = await connection.scalar(_DEMO)
    demo = Demo.in_document(document) if document is not None else None
    if demo is None:
        return None
    clinic = (await connection.execute(_CLINIC)).one()
    owner = (await connection.execute(_OWNER)).scalar_one()
    return DemoClinic(clinic.id, owner, demo.language, clinic.timezone, clock.now())
