"""The code of the module guide's section "AI agent integration", as printed, against a stand-in for a provider's SDK."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
from pydantic import BaseModel

from app.core.agents import AgentMode, AgentResult, BaseAgent, Tool, ToolCategory
from app.core.plugins.manifest import Manifest
from app.core.plugins.registry import MountedModule
from app.modules.patients import PatientsModule as OfficialPatients
from app.modules.patients.service import PatientService


class SearchPatientsArgs(BaseModel):
    """Arguments an LLM fills in when calling the tool."""

    query: str
    limit: int = 20


async def _search_patients(ctx, params: SearchPatientsArgs):
    return await PatientService.list_patients(
        ctx.db,
        ctx.clinic_id,
        search=params.query,
        page=1,
        page_size=params.limit,
    )


class PatientsModule(OfficialPatients):
    def get_tools(self) -> list[Tool]:
        return [
            Tool(
                name="search_patients",
                description=("Search patients by name, phone or email. Returns up to `limit` matches in this clinic."),
                parameters=SearchPatientsArgs,
                handler=_search_patients,
                permissions=["patients.read"],
                category=ToolCategory.READ,
            ),
        ]

    def get_agents(self) -> list[type[BaseAgent]]:
        return [ReminderAgent]


class ReminderAgent(BaseAgent):
    name = "appointment_reminder"
    mode = AgentMode.AUTONOMOUS
    # The printed agent lists tools of agenda and notifications; this one has the tool printed before it.
    allowed_tools = [  # noqa: RUF012  as the guide prints it
        "patients.search_patients",
        "notifications.send_sms",
    ]

    async def process(self, ctx):
        # Pick your LLM SDK (anthropic, openai, …). Core does not
        # abstract the provider.
        import anthropic

        client = anthropic.AsyncAnthropic()

        schemas = ctx.tools.schemas_for(self.allowed_tools, dialect="anthropic")
        messages = [{"role": "user", "content": "Send reminders for tomorrow."}]
        while True:
            resp = await client.messages.create(
                model="claude-sonnet-4-6",
                tools=schemas,
                messages=messages,
                max_tokens=2048,
            )
            if resp.stop_reason != "tool_use":
                break
            for block in resp.content:
                if block.type == "tool_use":
                    # Every tool call MUST go through the registry.
                    result = await ctx.tools.call(ctx, block.name, block.input)
                    messages.append({"role": "assistant", "content": resp.content})
                    messages.append(
                        {
                            "role": "user",
                            "content": [
                                {
                                    "type": "tool_result",
                                    "tool_use_id": block.id,
                                    "content": str(result.data or result.error),
                                }
                            ],
                        }
                    )
        return AgentResult(ok=True, summary="reminders sent")


@pytest.fixture
def module_names():
    return ("patients",)


class Model:
    """Asks for the tools it was told to, then stops; remembers what it was shown."""

    def __init__(self, *calls):
        self.calls = list(calls)
        self.seen = []

    async def create(self, *, model, tools, messages, max_tokens):
        self.seen.append((tools, list(messages)))
        if not self.calls:
            return SimpleNamespace(stop_reason="end_turn", content=[])
        name, arguments = self.calls.pop(0)
        block = SimpleNamespace(type="tool_use", id="toolu_1", name=name, input=arguments)
        return SimpleNamespace(stop_reason="tool_use", content=[block])


@pytest.fixture
def model(monkeypatch):
    found = Model()
    sdk = ModuleType("anthropic")
    sdk.AsyncAnthropic = lambda: SimpleNamespace(messages=found)
    monkeypatch.setitem(sys.modules, "anthropic", sdk)
    return found


async def test_the_guides_agent_and_tool_run_as_printed(runtime, client, two_clinics, model):
    clinic = two_clinics.a
    for first_name, headers in (("Ana", clinic.headers), ("Anabel", two_clinics.b.headers)):
        await client.post("/api/v1/patients", json={"first_name": first_name}, headers=headers)
    registry = runtime.state.registry
    registry.mount(MountedModule(PatientsModule(), Manifest.model_validate(PatientsModule.manifest)))
    model.calls = [("patients__search_patients", {"query": "an"}), ("notifications__send_sms", {"to": "all"})]

    result = await runtime.state.agents.run("patients.appointment_reminder", clinic.id, user_id=clinic.people["dentist"])

    assert result == AgentResult(ok=True, summary="reminders sent")
    tools, messages = model.seen[-1]
    assert [tool["name"] for tool in tools] == ["patients__search_patients"]
    answers = [message["content"][0]["content"] for message in messages if message["role"] == "user" and message is not messages[0]]
    assert "'first_name': 'Ana'" in answers[0]
    assert "Anabel" not in answers[0]
    assert answers[1].startswith("tool_unknown: ")
