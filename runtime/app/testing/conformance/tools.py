"""Tools: described well enough to be offered, and never more than the person who asks may do (guide, "AI agent integration")."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from app.testing.clinics import ROLES, TwoClinics
from app.testing.operations import ModuleOperations
from app.testing.tools import Tools

from .subject import Subject
from .tenancy import MOST_IDS

if TYPE_CHECKING:
    from app.core.agents import Tool


def test_tools_ask_for_permissions_that_exist_and_can_be_offered(subject: Subject, tools: Tools) -> None:
    from app.core.auth.permissions import CORE_PERMISSIONS
    from app.core.plugins.registry import module_registry

    declared = module_registry.permissions() | set(CORE_PERMISSIONS)
    given = {f"{subject.name}.{tool.name}": set(tool.permissions) - declared for tool in subject.module.get_tools()}

    assert {name: sorted(unknown) for name, unknown in given.items() if unknown} == {}
    for dialect in ("anthropic", "openai"):
        assert len(tools.registry.schemas_for(given, dialect)) == len(given), f"tools that cannot be offered in the {dialect} dialect"


async def test_tools_are_refused_to_whoever_lacks_a_permission(subject: Subject, tools: Tools, two_clinics: TwoClinics) -> None:
    from app.core.auth.permissions import RoleGrants, permissions_for
    from app.core.plugins.registry import module_registry

    wrong = []
    for tool in subject.module.get_tools():
        for role in ROLES:
            permissions = permissions_for(RoleGrants.standard(role), module_registry)
            allowed = all(permission in permissions for permission in tool.permissions)
            answer = await tools.call(f"{subject.name}.{tool.name}", {}, role=role)
            refused = answer.error is not None and answer.error.code == "permission_denied"
            if refused is allowed:
                wrong.append(f"{tool.name} as {role}: {answer.error or 'done'}, {'granted' if allowed else 'not granted'}")

    assert wrong == []


async def test_tools_answer_nothing_of_another_clinic(
    subject: Subject, populated: object, tools: Tools, operations: ModuleOperations, two_clinics: TwoClinics
) -> None:
    """Tools that take nothing, or ids only: asked by clinic b's administrator for each thing of clinic a."""
    before = await subject.rows_of_clinic(operations, two_clinics.a.id)
    foreign = [str(number) for rows in before.values() for _, number in rows[:MOST_IDS] if number is not None]

    for tool in subject.module.get_tools():
        for arguments in _arguments(tool, foreign):
            answer = await tools.call(f"{subject.name}.{tool.name}", arguments, clinic=two_clinics.b)
            shown = [number for number in foreign if number in json.dumps(answer.data, default=str)]
            assert shown == [], f"{tool.name}({arguments}) shows things of another clinic"

    assert await subject.rows_of_clinic(operations, two_clinics.a.id) == before


def _arguments(tool: Tool, foreign: list[str]) -> list[dict[str, Any]]:
    needed = {name: field.annotation for name, field in tool.parameters.model_fields.items() if field.is_required()}
    if not needed:
        return [{}]
    if all(annotation is UUID for annotation in needed.values()):
        return [dict.fromkeys(needed, number) for number in foreign]
    return []
