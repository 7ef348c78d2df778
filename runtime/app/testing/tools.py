"""Tools in tests: called as an assistant calls them, on behalf of one of the clinics' people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .clinics import ClinicUnderTest

if TYPE_CHECKING:
    from app.core.agents import ToolResult
    from app.core.agents.tools.registry import ToolRegistry


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools of the modules under test."""

    registry: ToolRegistry
    clinic: ClinicUnderTest

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, role: str = "admin", clinic: ClinicUnderTest | None = None, at_once: bool = True
    ) -> ToolResult:
        """`module.tool` for the person in this role of the clinic (the first one, unless named).

        WRITE tools are done `at_once`; otherwise they wait for approval, as DESTRUCTIVE ones do anyhow.
        """
        from app.core.agents import AgentContext, AgentMode

        where = clinic or self.clinic
        mode = AgentMode.AUTONOMOUS if at_once else AgentMode.SUPERVISED
        context = AgentContext(clinic_id=where.id, user_id=where.people[role], mode=mode, tools=self.registry)
        return await self.registry.call(context, name, arguments)
