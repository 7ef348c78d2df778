"""A runtime whose module `shelf` has tools of every category and an agent, with one person per role."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete, select, text

from app.core.agents import AgentContext, AgentMode, AgentResult, BaseAgent, Tool, ToolCategory
from app.core.agents.tools.registry import ToolRegistry
from app.core.isolation import apply_policies
from tests.support.app import NOTE_TABLE, ClinicApp, Note, NoteOut, ShelfModule, build, request_database
from tests.support.core import as_owner
from tests.support.postgres import run_sql

__all__ = ["request_database"]

SECRET_TEXT = "allergic to penicillin, says Ana García"


class NoArgs(BaseModel):
    """None."""


class NoteArgs(BaseModel):
    model_config = ConfigDict(extra="forbid")

    body: str = Field(max_length=40)
    clinic_id: UUID | None = None


async def _list_notes(ctx: AgentContext, params: NoArgs) -> list[NoteOut]:
    # No filter by clinic: the policies must hold by themselves.
    return [NoteOut.model_validate(note) for note in await ctx.db.scalars(select(Note).order_by(Note.body))]


async def _add_note(ctx: AgentContext, params: NoteArgs) -> Note:
    note = Note(clinic_id=params.clinic_id or ctx.clinic_id, body=params.body)
    ctx.db.add(note)
    return note


async def _shred_notes(ctx: AgentContext, params: NoArgs) -> dict[str, int]:
    gone = await ctx.db.execute(delete(Note).where(Note.clinic_id == ctx.clinic_id))
    return {"shredded": gone.rowcount}


async def _fail(ctx: AgentContext, params: NoArgs) -> None:
    ctx.db.add(Note(clinic_id=ctx.clinic_id, body="half done"))
    await ctx.db.flush()
    raise ValueError(SECRET_TEXT)


async def _lose_connection(ctx: AgentContext, params: NoArgs) -> None:
    await ctx.db.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


def tool(name: str, handler: Any, category: ToolCategory, permission: str = "shelf.notes.write", args: type[BaseModel] = NoArgs) -> Tool:
    return Tool(name, f"What a test of agents needs: {name}.", args, handler, [permission], category)


TOOLS = [
    tool("list_notes", _list_notes, ToolCategory.READ, "shelf.notes.read"),
    tool("add_note", _add_note, ToolCategory.WRITE, args=NoteArgs),
    tool("shred_notes", _shred_notes, ToolCategory.DESTRUCTIVE),
    tool("sneak_note", _add_note, ToolCategory.READ, args=NoteArgs),
    tool("fail", _fail, ToolCategory.WRITE),
    tool("lose_connection", _lose_connection, ToolCategory.WRITE),
]


class Tidy(BaseAgent):
    """Adds the note it was given, then asks for another module's tool."""

    name = "tidy"
    mode = AgentMode.AUTONOMOUS
    allowed_tools = ("shelf.list_notes", "shelf.add_note", "shelf.shred_notes")
    seen: ClassVar[list[Any]] = []

    async def process(self, ctx: AgentContext) -> AgentResult:
        for name, arguments in ctx.input.get("calls", []):
            self.seen.append(await ctx.tools.call(ctx, name, arguments))
        return AgentResult(ok=all(result.ok for result in self.seen), summary=f"{len(self.seen)} calls")


class ShelfWithTools(ShelfModule):
    def get_tools(self) -> list[Tool]:
        return TOOLS

    def get_agents(self) -> list[type[BaseAgent]]:
        return [Tidy]


@dataclass
class Shelf:
    """One clinic with its people, and the registry as the application has it."""

    clinic_app: ClinicApp
    clinic_id: UUID
    people: Mapping[str, UUID]
    tools: ToolRegistry = field(init=False)

    def __post_init__(self) -> None:
        self.tools = self.clinic_app.app.state.tools

    def context(self, role: str = "dentist", **fields: Any) -> AgentContext:
        """Of an agent that acts for the person in this role; AUTONOMOUS unless said otherwise."""
        given = {"mode": AgentMode.AUTONOMOUS, "agent": "test", **fields}
        return AgentContext(self.clinic_id, self.people[role], tools=self.tools, **given)

    async def notes(self) -> list[str]:
        return list(await self.clinic_app.sql("SELECT coalesce(array_agg(body ORDER BY body), '{}') FROM shelf_notes"))

    async def trail(self) -> list[tuple[str, str, str | None]]:
        """(tool, status, code) of every call, oldest first."""
        rows = await self.clinic_app.sql(
            "SELECT coalesce(json_agg(json_build_array(tool, status, code) ORDER BY id), '[]') FROM agent_audit_logs"
        )
        return [tuple(row) for row in json.loads(rows)]

    async def as_person(self, role: str) -> Any:
        return await self.clinic_app.signed_in(f"{role}@example.com")

    async def configure(self, name: str, **choice: Any) -> None:
        async with await self.as_person("admin") as admin:
            answer = await admin.put(f"/api/v1/agents/{name}", json={"enabled": True, **choice})
        assert answer.status_code == 200, answer.text


@pytest.fixture
async def shelf(core_schema: Any, request_database: Any) -> AsyncIterator[Shelf]:
    run_sql(core_schema.owner_url, NOTE_TABLE)
    as_owner(core_schema, lambda connection: apply_policies(connection, ["shelf_notes"]))
    app = build(core_schema, request_database, [ShelfWithTools()])
    clinic = await app.add_clinic()
    people = {role: await app.add_user(f"{role}@example.com", **{role: clinic}) for role in ("admin", "dentist", "assistant")}
    Tidy.seen.clear()
    yield Shelf(app, clinic, people)
    await app.app.state.agents.stop()
