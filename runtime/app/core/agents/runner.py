"""Running a module's agent: a session, a limit of time, and its own context. A person starts it, or a module's job.

A run started over REST goes on after the answer, in this process; its session says how it ended. A process that dies with it leaves the
session `active` past its deadline, which is shown as failed.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.core.errors import describe
from app.database import Database, unit_of_work

from . import sessions
from .base import AgentResult, BaseAgent
from .catalogue import KnownAgent, known_agent
from .context import AgentContext
from .errors import AgentDisabled, AgentNeedsRole, AlreadyRunning, NotRunnable
from .principals import permissions_now
from .settings import default_setting, setting_of
from .tools.registry import ToolRegistry

logger = logging.getLogger(__name__)


@dataclass
class AgentRunner:
    """The runs of one process."""

    tools: ToolRegistry
    _running: set[asyncio.Task[AgentResult]] = field(default_factory=set)

    @property
    def running(self) -> int:
        """How many runs go on; a process with one is not idle."""
        return len(self._running)

    async def start(self, name: str, clinic_id: UUID, *, user_id: UUID, given: dict[str, Any] | None = None) -> UUID:
        """Start a run for a person and return its session; it goes on by itself. Raises AgentUnknown, AgentDisabled, NotRunnable,
        AlreadyRunning.
        """
        known, ctx = await self._prepare(name, clinic_id, user_id=user_id, given=given)
        assert ctx.session_id is not None
        task = asyncio.create_task(self._run(known, ctx), name=f"agent {name}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return ctx.session_id

    async def run(self, name: str, clinic_id: UUID, *, user_id: UUID | None = None, given: dict[str, Any] | None = None) -> AgentResult:
        """Run an agent to its end. Without a person it has the rights of the role the clinic gave it.

        Raises AgentUnknown, AgentDisabled, NotRunnable, AgentNeedsRole, AlreadyRunning.
        """
        known, ctx = await self._prepare(name, clinic_id, user_id=user_id, given=given)
        return await self._run(known, ctx)

    async def ended(self) -> None:
        """Return once nothing runs."""
        await asyncio.gather(*tuple(self._running), return_exceptions=True)

    async def stop(self) -> None:
        """Cancel what runs; each session is closed as failed."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _prepare(
        self, name: str, clinic_id: UUID, *, user_id: UUID | None, given: dict[str, Any] | None
    ) -> tuple[KnownAgent, AgentContext]:
        known = known_agent(self.tools.modules, name)
        if known.agent is None:
            raise NotRunnable(name)
        async with unit_of_work(clinic_id, database=self.database) as db:
            setting = await setting_of(db, clinic_id, name, default_setting(known))
            if not setting.enabled:
                raise AgentDisabled(name)
            if user_id is None and setting.role is None:
                raise AgentNeedsRole(name)
            if (other := await sessions.running(db, clinic_id, name, user_id)) is not None:
                raise AlreadyRunning(name, other)
            ctx = AgentContext(
                clinic_id=clinic_id,
                user_id=user_id,
                agent=name,
                mode=setting.mode,
                role=None if user_id is not None else setting.role,
                allowed_tools=known.allowed_tools,
                guardrails=setting.guardrails,
                tools=self.tools,
                input=dict(given or {}),
                logger=logging.getLogger(f"{known.agent.__module__}.{known.agent.name}"),
            )
            ctx.permissions = await permissions_now(db, ctx, self.tools.modules)
            ctx.session_id = await sessions.open_session(db, ctx, deadline=sessions.LONGEST_RUN)
        return known, ctx

    async def _run(self, known: KnownAgent, ctx: AgentContext) -> AgentResult:
        assert known.agent is not None
        result = AgentResult(ok=False, summary="The run was interrupted.")
        try:
            result = await self._process(known.agent(), ctx)
        finally:
            await asyncio.shield(self._close(ctx, result))
        return result

    async def _process(self, agent: BaseAgent, ctx: AgentContext) -> AgentResult:
        try:
            async with asyncio.timeout(sessions.LONGEST_RUN.total_seconds()):
                return await agent.process(ctx)
        except TimeoutError:
            return AgentResult(ok=False, summary=f"Stopped after {sessions.LONGEST_RUN}.")
        except Exception as error:
            # Messages may quote what a tool answered; types and places are in the log under this number.
            return AgentResult(ok=False, summary=describe(error).message)

    async def _close(self, ctx: AgentContext, result: AgentResult) -> None:
        assert ctx.session_id is not None
        async with unit_of_work(ctx.clinic_id, database=self.database) as db:
            await sessions.finish(db, ctx.session_id, ok=result.ok, summary=result.summary)

    @property
    def database(self) -> Database | None:
        return self.tools.database


async def run_agent(name: str, clinic_id: UUID, **given: Any) -> AgentResult:
    """For a module's job: run an agent in the clinic of the job, with the role the clinic gave it."""
    from .tools.registry import tool_registry

    return await AgentRunner(tool_registry).run(name, clinic_id, given=given)
