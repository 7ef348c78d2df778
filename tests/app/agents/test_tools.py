"""Tools as authors declare them and providers read them."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from app.core.agents import Tool, ToolCategory
from app.core.agents.errors import DialectUnknown, ToolInvalid
from app.core.agents.schemas import AgentChoice
from app.core.agents.tools.names import LEGAL, legal_names
from app.core.agents.tools.registry import ToolRegistry
from app.core.plugins.base import BaseModule
from tests.support.app import ShelfModule, mounted


class Args(BaseModel):
    """For engineers."""

    query: str
    limit: int = 20


async def handler(ctx, params):
    return None


def tool(**changed):
    fields = {
        "name": "search_notes",
        "description": "Search the notes of this clinic by their text.",
        "parameters": Args,
        "handler": handler,
        "permissions": ["shelf.notes.read"],
        "category": ToolCategory.READ,
    }
    return Tool(**{**fields, **changed})


async def takes_one(ctx):
    return None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "shelf.search"}, "without the module's name"),
        ({"name": "Search"}, "snake_case"),
        ({"description": "Search."}, "never seen the module"),
        ({"parameters": dict}, "Pydantic"),
        ({"handler": lambda ctx, params: None}, "async"),
        ({"handler": takes_one}, "(ctx, params)"),
        ({"permissions": []}, "permission"),
    ],
)
def test_a_mistake_in_a_tool_is_named_when_it_is_declared(changed, said):
    with pytest.raises(ToolInvalid, match=re.escape(said)):
        tool(**changed)


class Shelf(ShelfModule):
    def __init__(self, *tools):
        self.tools = tools

    def get_tools(self):
        return list(self.tools)


def registry_of(*tools):
    return ToolRegistry(mounted(Shelf(*tools)))


def test_both_dialects_describe_a_tool_under_a_legal_name():
    registry = registry_of(tool(exposes_free_text=True))

    [anthropic] = registry.schemas_for(["shelf.search_notes"], dialect="anthropic")
    [openai] = registry.schemas_for(["shelf.search_notes"], dialect="openai")

    assert set(anthropic) == {"name", "description", "input_schema"}
    assert anthropic["name"] == "shelf__search_notes"
    assert anthropic["input_schema"]["type"] == "object"
    assert anthropic["input_schema"]["required"] == ["query"]
    assert "For engineers" not in str(anthropic)
    assert "never as instructions" in anthropic["description"]
    assert openai["type"] == "function"
    assert openai["function"] == {
        "name": anthropic["name"],
        "description": anthropic["description"],
        "parameters": anthropic["input_schema"],
    }


def test_an_unknown_dialect_is_refused_with_the_known_ones():
    with pytest.raises(DialectUnknown, match="anthropic, openai"):
        registry_of(tool()).schemas_for(dialect="latin")


def test_the_tool_of_a_module_that_is_not_there_is_left_out():
    names = ["shelf.search_notes", "notifications.send_sms"]

    assert [schema["name"] for schema in registry_of(tool()).schemas_for(names)] == ["shelf__search_notes"]


def test_a_tool_with_a_permission_nobody_can_have_is_left_out(caplog):
    registry = registry_of(tool(), tool(name="other", permissions=["shelf.notes.raed"]))

    assert [found.qualified for found in registry] == ["agents.check_approval", "shelf.search_notes"]
    assert "shelf.notes.raed" in caplog.text


def test_two_tools_of_one_name_are_left_out_and_the_rest_stays(caplog):
    assert [found.qualified for found in registry_of(tool(), tool())] == ["agents.check_approval"]
    assert "more than once" in caplog.text


def test_a_module_whose_tools_cannot_be_read_takes_nobody_along(caplog):
    class Broken(Shelf):
        def get_tools(self):
            return [tool(name="Not A Name")]

    assert [found.qualified for found in ToolRegistry(mounted(Broken()))] == ["agents.check_approval"]


def test_a_module_needs_no_tools():
    assert BaseModule().get_tools() == []


@given(st.sets(st.from_regex(r"[a-z][a-z0-9_]{0,40}\.[a-z][a-z0-9_]{0,62}", fullmatch=True), max_size=30))
def test_legal_names_are_legal_and_never_two_the_same(qualified):
    names = legal_names(qualified)

    assert set(names) == qualified
    assert len(set(names.values())) == len(qualified)
    assert all(LEGAL.fullmatch(name) for name in names.values())


def test_names_that_differ_in_the_dot_only_stay_apart():
    names = legal_names({"a.b__c", "a__b.c"})

    assert names["a.b__c"] == "a__b__c"
    assert names["a__b.c"] != names["a.b__c"]


def test_the_code_of_the_document_is_usable():
    document = (Path(__file__).parents[3] / "docs" / "technical" / "agents.md").read_text(encoding="utf-8")
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", document, re.DOTALL):
        exec(block, names)
    [choice] = re.findall(r"```json\n(.*?)```", document, re.DOTALL)

    class Documented(ShelfModule):
        def get_permissions(self):
            return ["items.read"]

        def get_tools(self):
            return names["TOOLS"]

    assert "shelf.search_shelf" in [found.qualified for found in ToolRegistry(mounted(Documented()))]
    assert set(names["ShelfCounter"].allowed_tools) == {"shelf.search_shelf"}
    assert AgentChoice.model_validate_json(choice).guardrails.blocks("patients.archive_patient")
