"""Agents of modules: how a clinic runs them, with whose rights, and how a run ends."""

import asyncio

import pytest

from app.core.agents import AgentResult, BaseAgent
from app.core.agents.errors import AgentDisabled, AgentNeedsRole, AlreadyRunning
from app.database import NoUnitOfWork
from tests.app.agents.conftest import SECRET_TEXT, Tidy

NAME = "shelf.tidy"


async def run(shelf, role, *calls):
    """Start the agent over REST and wait for its end; its session."""
    async with await shelf.as_person(role) as person:
        started = await person.post(f"/api/v1/agents/{NAME}/run", json={"input": {"calls": calls}})
        assert started.status_code == 202, started.text
        await shelf.clinic_app.app.state.agents.ended()
        session = await person.get(f"/api/v1/agents/-/sessions/{started.json()['data']['session_id']}")
    return session.json()["data"]


async def test_an_agent_acts_with_the_rights_of_who_starts_it(shelf):
    session = await run(shelf, "dentist", ("shelf.add_note", {"body": "one"}), ("shelf.list_notes", {}))

    assert (session["status"], session["summary"]) == ("done", "2 calls")
    assert await shelf.notes() == ["one"]

    Tidy.seen.clear()
    assert (await run(shelf, "assistant", ("shelf.add_note", {"body": "two"})))["status"] == "failed"
    assert await shelf.notes() == ["one"]


async def test_an_agent_gets_nothing_but_its_allowed_tools(shelf):
    await run(shelf, "admin", ("agents.check_approval", {"approval_id": "00000000-0000-0000-0000-000000000001"}), ("shelf.fail", {}))

    assert [result.error.code for result in Tidy.seen] == ["tool_not_allowed", "tool_not_allowed"]


async def test_the_clinics_choice_holds_over_the_authors_from_the_next_call_on(shelf):
    await shelf.configure(NAME, mode="supervised", guardrails={"blocked_tools": ["*.list_*"]})

    await run(shelf, "dentist", ("shelf.add_note", {"body": "x"}), ("shelf.list_notes", {}))

    assert [result.error.code for result in Tidy.seen] == ["approval_required", "tool_blocked"]
    assert await shelf.notes() == []


async def test_a_switched_off_agent_does_not_run(shelf):
    await shelf.configure(NAME, enabled=False)
    async with await shelf.as_person("admin") as admin:
        answer = await admin.post(f"/api/v1/agents/{NAME}/run", json={})
        listed = (await admin.get("/api/v1/agents")).json()["data"]

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "agent_disabled")
    assert {agent["name"]: agent["enabled"] for agent in listed} == {"mcp": False, NAME: False}


async def test_guardrails_that_would_let_a_destructive_call_through_are_refused(shelf):
    async with await shelf.as_person("admin") as admin:
        guardrails = {"auto_require_approval_for_destructive": False}
        answer = await admin.put(f"/api/v1/agents/{NAME}", json={"enabled": True, "guardrails": guardrails})

    assert answer.status_code == 422


async def test_only_who_may_configures(shelf):
    async with await shelf.as_person("dentist") as dentist:
        assert (await dentist.put(f"/api/v1/agents/{NAME}", json={"enabled": True})).status_code == 403
        assert (await dentist.get("/api/v1/agents")).status_code == 403
        assert (await dentist.get("/api/v1/agents/-/audit")).status_code == 403


async def test_without_a_person_an_agent_has_the_role_the_clinic_gave_it(shelf):
    runner = shelf.clinic_app.app.state.agents
    calls = {"calls": [("shelf.add_note", {"body": "by night"})]}
    with pytest.raises(AgentNeedsRole):
        await runner.run(NAME, shelf.clinic_id, given=calls)
    await shelf.configure(NAME, mode="autonomous", role="assistant")
    await runner.run(NAME, shelf.clinic_id, given=calls)
    assert Tidy.seen.pop().error.code == "permission_denied"

    await shelf.configure(NAME, mode="autonomous", role="dentist")
    result = await runner.run(NAME, shelf.clinic_id, given=calls)

    assert result.ok
    assert await shelf.notes() == ["by night"]


async def test_nobody_gives_an_agent_a_role_that_is_unknown_or_beyond_their_own(shelf):
    await shelf.clinic_app.sql("UPDATE roles SET granted = '[\"agents.write\"]' WHERE name = 'assistant'")
    async with await shelf.as_person("assistant") as assistant:
        unknown = await assistant.put(f"/api/v1/agents/{NAME}", json={"enabled": True, "role": "ghost"})
        beyond = await assistant.put(f"/api/v1/agents/{NAME}", json={"enabled": True, "role": "admin"})

    assert (unknown.status_code, unknown.json()["errors"][0]["code"]) == (404, "role_unknown")
    assert (beyond.status_code, beyond.json()["errors"][0]["code"]) == (403, "beyond_your_own")


async def test_switching_an_agent_off_stops_it_in_the_middle_of_a_run(shelf):
    ctx = shelf.context(agent=NAME)
    assert (await shelf.tools.call(ctx, "shelf.add_note", {"body": "before"})).ok
    await shelf.configure(NAME, enabled=False)

    assert (await shelf.tools.call(ctx, "shelf.add_note", {"body": "after"})).error.code == "agent_disabled"
    with pytest.raises(AgentDisabled):
        await shelf.clinic_app.app.state.agents.run(NAME, shelf.clinic_id, user_id=shelf.people["dentist"])


async def test_what_an_agent_raises_is_neither_shown_nor_kept(shelf, monkeypatch, caplog):
    async def process(self, ctx):
        raise RuntimeError(SECRET_TEXT)

    monkeypatch.setattr(Tidy, "process", process)

    session = await run(shelf, "dentist")

    assert session["status"] == "failed"
    assert "incident" in session["summary"]
    assert SECRET_TEXT not in session["summary"] + caplog.text


async def test_an_agent_that_goes_past_the_registry_is_told_so(shelf, monkeypatch):
    seen = []

    async def process(self, ctx):
        try:
            await ctx.db.execute("SELECT 1")
        except NoUnitOfWork as error:
            seen.append(str(error))
        return AgentResult(ok=True)

    monkeypatch.setattr(Tidy, "process", process)
    await run(shelf, "dentist")

    assert "ctx.tools.call" in seen[0]


async def test_a_run_that_is_cut_off_is_closed_as_failed(shelf, monkeypatch):
    begun = asyncio.Event()

    async def process(self, ctx):
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Tidy, "process", process)
    runner = shelf.clinic_app.app.state.agents
    session_id = await runner.start(NAME, shelf.clinic_id, user_id=shelf.people["dentist"])
    await begun.wait()
    assert runner.running == 1
    with pytest.raises(AlreadyRunning, match=str(session_id)):
        await runner.start(NAME, shelf.clinic_id, user_id=shelf.people["dentist"])

    await runner.stop()

    assert runner.running == 0
    assert await shelf.clinic_app.sql("SELECT status FROM agent_sessions WHERE id = $1", session_id) == "failed"


async def test_a_run_whose_process_died_is_shown_as_failed_after_its_deadline(shelf):
    assert (await run(shelf, "dentist"))["status"] == "done"
    await shelf.clinic_app.sql("UPDATE agent_sessions SET status = 'active', deadline_at = now() - interval '1 second'")
    async with await shelf.as_person("dentist") as person:
        assert [row["status"] for row in (await person.get("/api/v1/agents/-/sessions")).json()["data"]] == ["failed"]


async def test_an_agent_that_does_not_say_what_it_does_says_that():
    class Empty(BaseAgent):
        pass

    with pytest.raises(NotImplementedError, match="process"):
        await Empty().process(None)
