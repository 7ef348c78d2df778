"""The one way to call a tool: gate (session, limits, rights, guardrails, approval, trail), then the handler in a transaction of its own.

Only tools of modules in force exist here. MCP, a module's agent and an approved call all come through this file.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core import errors
from app.core.agents import gate
from app.core.agents.context import AgentContext
from app.core.agents.errors import AgentError, ApprovalRequired, OutcomeUnknown, ReadOnlyViolated, ToolFailed, ToolUnknown
from app.core.auth.permissions import CORE_PERMISSIONS
from app.core.plugins.registry import ModuleRegistry, MountedModule, module_registry
from app.database import Database, unit_of_work
from dentalpin_kit.problems import DomainError

from .base import Tool, ToolCategory, ToolError, ToolResult
from .names import legal_names
from .results import plain
from .schemas import described

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncSession

logger = logging.getLogger(__name__)

_READ_ONLY: Final = text("SET TRANSACTION READ ONLY")
_READ_ONLY_VIOLATED: Final = "25006"


@dataclass(frozen=True, slots=True)
class RegisteredTool:
    """A tool under its names: `qualified` is ours, `legal` is what model providers take."""

    qualified: str
    legal: str
    tool: Tool


class ToolRegistry:
    """The tools of the modules in force in this process. Without a `database` that of the process is used."""

    def __init__(self, registry: ModuleRegistry = module_registry, database: Database | None = None) -> None:
        self.modules = registry
        self.database = database
        self._of: int | None = None
        self._tools: dict[str, RegisteredTool] = {}
        self._by_legal: dict[str, RegisteredTool] = {}

    def __iter__(self) -> Iterator[RegisteredTool]:
        self._refresh()
        return iter(self._tools.values())

    def get(self, name: str) -> RegisteredTool:
        """By its qualified or its provider-legal name. Raises ToolUnknown."""
        self._refresh()
        found = self._tools.get(name) or self._by_legal.get(name)
        if found is None:
            raise ToolUnknown(name)
        return found

    def available(self, ctx: AgentContext) -> list[RegisteredTool]:
        """What a caller with these permissions may ask for, by name; the guardrails are for the call itself."""
        return [
            found
            for found in self
            if (ctx.allowed_tools is None or found.qualified in ctx.allowed_tools)
            and all(permission in ctx.permissions for permission in found.tool.permissions)
        ]

    def schemas_for(self, names: Iterable[str] | None = None, dialect: str = "anthropic") -> list[dict[str, Any]]:
        """The definitions of these tools (all, without `names`) for a provider's API. Raises DialectUnknown.

        A name that is not here is left out: the tool of a module that this clinic does not have.
        """
        wanted = None if names is None else set(names)
        chosen = [found for found in self if wanted is None or found.qualified in wanted or found.legal in wanted]
        return [described(found.legal, found.tool, dialect) for found in chosen]

    async def call(self, ctx: AgentContext, name: str, arguments: Mapping[str, Any] | str | None = None) -> ToolResult:
        """Call a tool on behalf of `ctx`. Never raises for what an agent can be told: it is in the result's `error`."""
        try:
            found: RegisteredTool | None = self.get(name)
        except ToolUnknown:
            found = None
        call = gate.Call(found.qualified if found else name, found.tool if found else None, arguments)
        try:
            entry = await gate.enter(ctx, call, self.modules, self.database)
        except AgentError as refusal:
            return ToolResult(error=as_error(refusal))
        if entry.refusal is not None:
            return ToolResult(error=as_error(entry.refusal))
        assert found is not None
        assert entry.params is not None
        if entry.approval_id is not None:
            return ToolResult(error=as_error(ApprovalRequired(found.qualified, entry.approval_id)), approval_id=entry.approval_id)
        try:
            async with unit_of_work(ctx.clinic_id, database=self.database) as db:
                data = await self.perform(db, entry.ctx, found, entry.params)
                await gate.close(db, entry.audit_id, "completed")
        except Exception as error:
            problem = described_failure(found, error)
            async with unit_of_work(ctx.clinic_id, database=self.database) as db:
                await gate.close(db, entry.audit_id, "failed", problem.code)
            return ToolResult(error=problem)
        return ToolResult(data=data)

    async def perform(self, db: "AsyncSession", ctx: AgentContext, found: RegisteredTool, params: BaseModel) -> Any:
        """Run the handler in the transaction of `db` and answer plain JSON values. Only for who has passed the gate or an approval."""
        given = replace(ctx, db=db, tools=self)
        if found.tool.category is not ToolCategory.READ:
            data = plain(await found.tool.handler(given, params))
            # What the database refuses is refused here, not at somebody else's commit.
            await db.flush()
            return data
        async with _reading(db):
            return plain(await found.tool.handler(given, params))

    def _refresh(self) -> None:
        """Which modules are in force changes rarely (one is disabled); which tools a module has, never."""
        version = self.modules.version
        if version == self._of:
            return
        tools = {f"{module}.{tool.name}": tool for module, tool in self._usable()}
        legal = legal_names(tools)
        self._tools = {name: RegisteredTool(name, legal[name], tools[name]) for name in sorted(tools)}
        self._by_legal = {found.legal: found for found in self._tools.values()}
        self._of = version

    def _usable(self) -> Iterator[tuple[str, Tool]]:
        from app.core.agents.own_tools import NAMESPACE, OWN_TOOLS

        yield from ((NAMESPACE, tool) for tool in OWN_TOOLS)
        known = {*CORE_PERMISSIONS, *self.modules.permissions()}
        for module in self.modules.active:
            for tool in tools_of(module):
                unknown = sorted(set(tool.permissions) - known)
                if unknown:
                    logger.error("the tool %s of %s is left out: no role can have %s", tool.name, module.name, ", ".join(unknown))
                else:
                    yield module.name, tool


def tools_of(module: MountedModule) -> tuple[Tool, ...]:
    """The tools of a module. One whose tools cannot be read, or that names two alike, has none: the others stay."""
    try:
        tools = module.tools
        names = [tool.name for tool in tools]
    except Exception:
        logger.exception("the tools of %s cannot be used", module.name)
        return ()
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        logger.error("the tools of %s are left out: %s is there more than once", module.name, ", ".join(twice))
        return ()
    return tools


def as_error(error: DomainError) -> ToolError:
    return ToolError(error.code, error.message, dict(error.context))


def described_failure(found: RegisteredTool, error: Exception) -> ToolError:
    """What an agent is told about a handler's failure: a refusal in its own words, anything else by its incident number."""
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == _READ_ONLY_VIOLATED:
        logger.error("%s is declared READ and tried to write", found.qualified)
        return as_error(ReadOnlyViolated(found.qualified))
    if isinstance(error, DBAPIError) and error.connection_invalidated and found.tool.category is not ToolCategory.READ:
        return as_error(OutcomeUnknown(found.qualified))
    problem = errors.describe(error)
    incident = next((item["incident"] for item in problem.errors if "incident" in item), None)
    if incident is not None:
        return as_error(ToolFailed(found.qualified, incident))
    details = {key: value for item in problem.errors for key, value in item.items() if key != "code"}
    return ToolError(problem.code, problem.message, details)


@asynccontextmanager
async def _reading(db: "AsyncSession") -> "AsyncIterator[None]":
    """Nothing is written in this block: PostgreSQL refuses it. Ends with the savepoint, so that the trail can be written after it."""
    async with db.begin_nested():
        await db.execute(_READ_ONLY)
        yield


tool_registry: Final = ToolRegistry()
"""The registry of this process, over its modules and its database."""
