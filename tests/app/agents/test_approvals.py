"""Calls that wait: who decides, what is executed with whose rights, once, and how it ends otherwise."""

import asyncio

import pytest

from app.core.agents import AgentMode

APPROVALS = "/api/v1/agents/-/approvals"


async def asked(shelf, role="dentist", tool="shelf.add_note", arguments=None, **fields):
    """A call that waits; the id of its approval."""
    ctx = shelf.context(role, mode=AgentMode.SUPERVISED, **fields)
    result = await shelf.tools.call(ctx, tool, {"body": "gloves"} if arguments is None else arguments)
    assert result.waiting, result.error
    return result.approval_id


async def decide(shelf, role, approval, what="approve", **body):
    async with await shelf.as_person(role) as person:
        return await person.post(f"{APPROVALS}/{approval}/{what}", json=body)


async def test_approving_executes_with_the_effects_the_decision_and_the_trail_together(shelf):
    approval = await asked(shelf)

    answer = await decide(shelf, "dentist", approval, note="fine")

    data = answer.json()["data"]
    assert (answer.status_code, data["status"], data["note"]) == (200, "executed", "fine")
    assert data["result"]["body"] == "gloves"
    assert data["decided_by"] == str(shelf.people["dentist"])
    assert await shelf.notes() == ["gloves"]
    assert await shelf.trail() == [("shelf.add_note", "waiting", None), ("shelf.add_note", "completed", None)]
    assert await shelf.clinic_app.sql("SELECT approved_by FROM agent_audit_logs ORDER BY id DESC LIMIT 1") == shelf.people["dentist"]


async def test_an_admin_decides_about_anybodys(shelf):
    assert (await decide(shelf, "admin", await asked(shelf))).json()["data"]["status"] == "executed"


async def test_a_colleague_sees_and_decides_nothing_of_mine(shelf):
    approval = await asked(shelf)

    answer = await decide(shelf, "assistant", approval)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "approval_not_found")
    async with await shelf.as_person("assistant") as person:
        assert (await person.get(APPROVALS)).json()["total"] == 0
    assert await shelf.notes() == []


async def test_deciding_takes_the_tools_own_permission(shelf):
    approval = await asked(shelf)
    # May decide about anybody's calls, but may not add notes.
    await shelf.clinic_app.sql("UPDATE roles SET granted = '[\"agents.approvals.*\"]' WHERE name = 'assistant'")

    answer = await decide(shelf, "assistant", approval)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "may_not_decide")
    assert await shelf.notes() == []


async def test_rights_lost_since_asking_are_not_used(shelf):
    approval = await asked(shelf)
    await shelf.clinic_app.sql("UPDATE memberships SET role = 'assistant' WHERE user_id = $1", shelf.people["dentist"])

    answer = await decide(shelf, "admin", approval)

    assert answer.json()["data"]["status"] == "failed"
    assert answer.json()["data"]["code"] == "permission_denied"
    assert await shelf.notes() == []


async def test_an_approval_is_decided_once(shelf):
    approval = await asked(shelf)

    answers = await asyncio.gather(*(decide(shelf, "dentist", approval) for _ in range(3)))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert await shelf.notes() == ["gloves"]


async def test_a_rejected_call_never_happens(shelf):
    approval = await asked(shelf)

    rejected = await decide(shelf, "dentist", approval, "reject", note="not now")
    approved = await decide(shelf, "dentist", approval)

    assert rejected.json()["data"]["status"] == "rejected"
    assert (approved.status_code, approved.json()["errors"][0]["code"]) == (409, "approval_decided")
    assert await shelf.notes() == []


async def test_an_approval_expires(shelf):
    approval = await asked(shelf)
    await shelf.clinic_app.sql("UPDATE agent_approval_queue SET expires_at = now() - interval '1 second'")

    answer = await decide(shelf, "dentist", approval)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "approval_expired")
    async with await shelf.as_person("dentist") as person:
        assert [row["status"] for row in (await person.get(f"{APPROVALS}?status=expired")).json()["data"]] == ["expired"]
        assert (await person.get(f"{APPROVALS}?status=pending")).json()["total"] == 0
    assert await shelf.notes() == []


async def test_a_call_that_fails_when_it_is_approved_leaves_nothing_but_the_failure(shelf):
    approval = await asked(shelf, tool="shelf.fail", arguments={})

    answer = await decide(shelf, "dentist", approval)

    assert answer.json()["data"]["status"] == "failed"
    assert answer.json()["data"]["code"] == "tool_failed"
    assert await shelf.notes() == []
    assert await shelf.trail() == [("shelf.fail", "waiting", None), ("shelf.fail", "failed", "tool_failed")]


async def test_after_a_lost_connection_the_same_approval_can_be_given_again(shelf):
    approval = await asked(shelf, tool="shelf.lose_connection", arguments={})

    answer = await decide(shelf, "dentist", approval)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (503, "database_unavailable")
    assert await shelf.clinic_app.sql("SELECT status FROM agent_approval_queue") == "pending"


async def test_while_its_module_is_gone_a_call_goes_on_waiting(shelf):
    approval = await asked(shelf)
    shelf.tools.modules.set_disabled(["shelf"])
    gone = await decide(shelf, "admin", approval)
    shelf.tools.modules.set_disabled([])

    assert (gone.status_code, gone.json()["errors"][0]["code"]) == (404, "tool_unknown")
    assert (await decide(shelf, "admin", approval)).json()["data"]["status"] == "executed"


async def test_the_scopes_of_the_asker_limit_the_execution(shelf):
    approval = await asked(shelf, scopes=("shelf.notes.write",))
    await shelf.clinic_app.sql("UPDATE agent_approval_queue SET scopes = '[\"shelf.notes.read\"]'")

    assert (await decide(shelf, "admin", approval)).json()["data"]["code"] == "permission_denied"


async def test_another_clinic_sees_nothing_of_it(shelf):
    approval = await asked(shelf)
    other = await shelf.clinic_app.add_clinic("Other")
    await shelf.clinic_app.add_user("boss@example.com", admin=other)
    async with await shelf.clinic_app.signed_in("boss@example.com") as boss:
        assert (await boss.get(APPROVALS)).json()["total"] == 0
        assert (await boss.post(f"{APPROVALS}/{approval}/approve", json={})).status_code == 404
        assert (await boss.get("/api/v1/agents/-/audit")).json()["total"] == 0
        assert (await boss.get("/api/v1/agents/-/sessions")).json()["total"] == 0


@pytest.mark.parametrize("path", ["approvals", "audit", "sessions"])
async def test_the_lists_name_the_newest_first(shelf, path):
    for body in ("one", "two"):
        await asked(shelf, arguments={"body": body})
    async with await shelf.as_person("admin") as admin:
        rows = (await admin.get(f"/api/v1/agents/-/{path}")).json()

    assert rows["total"] == 2
    assert rows["data"][0].get("arguments", {}).get("body", "two") == "two"
