"""A call of a tool: who may, what waits, what is kept, and what nobody can get around."""

import asyncio
import logging

import pytest

from app.core import modes
from app.core.agents import AgentContext, AgentMode, GuardrailConfig
from app.core.agents.tools.registry import ToolRegistry
from tests.app.agents.conftest import SECRET_TEXT


async def test_a_write_of_an_autonomous_agent_happens_and_is_in_the_trail(shelf):
    result = await shelf.tools.call(shelf.context(), "shelf.add_note", {"body": "buy gloves"})

    assert result.ok, result.error
    assert result.data["body"] == "buy gloves"
    assert await shelf.notes() == ["buy gloves"]
    assert await shelf.trail() == [("shelf.add_note", "completed", None)]
    assert await shelf.clinic_app.sql("SELECT arguments->>'body' FROM agent_audit_logs") == "buy gloves"


async def test_a_write_of_a_supervised_agent_waits(shelf):
    result = await shelf.tools.call(shelf.context(mode=AgentMode.SUPERVISED), "shelf.add_note", {"body": "buy gloves"})

    assert result.waiting
    assert result.error is not None
    assert result.error.code == "approval_required"
    assert await shelf.notes() == []
    assert await shelf.trail() == [("shelf.add_note", "waiting", None)]


async def test_a_destructive_call_waits_in_autonomous_mode_too(shelf):
    await shelf.tools.call(shelf.context(), "shelf.add_note", {"body": "kept"})

    result = await shelf.tools.call(shelf.context(), "shelf.shred_notes", {})

    assert result.waiting
    assert await shelf.notes() == ["kept"]


def test_no_configuration_lets_a_destructive_call_through():
    with pytest.raises(ValueError, match="always waits for a person"):
        GuardrailConfig(auto_require_approval_for_destructive=False)


async def test_a_pattern_with_a_leading_wildcard_asks_for_approval(shelf):
    guardrails = GuardrailConfig(require_approval_for=("*.list_*",))

    result = await shelf.tools.call(shelf.context(guardrails=guardrails), "shelf.list_notes", {})

    assert result.waiting


async def test_a_blocked_tool_is_refused(shelf):
    guardrails = GuardrailConfig(blocked_tools=("shelf.*",))

    result = await shelf.tools.call(shelf.context(guardrails=guardrails), "shelf.list_notes", {})

    assert result.error.code == "tool_blocked"


async def test_the_permission_is_that_of_the_person(shelf):
    result = await shelf.tools.call(shelf.context("assistant"), "shelf.add_note", {"body": "x"})

    assert result.error.code == "permission_denied"
    assert "shelf.notes.write" in result.error.message
    assert await shelf.trail() == [("shelf.add_note", "refused", "permission_denied")]


async def test_permissions_written_into_the_context_give_nothing(shelf):
    from app.core.auth.permissions import Permissions

    result = await shelf.tools.call(shelf.context("assistant", permissions=Permissions(["*"])), "shelf.add_note", {"body": "x"})

    assert result.error.code == "permission_denied"


async def test_a_person_who_loses_the_role_loses_it_in_the_middle_of_a_run(shelf):
    ctx = shelf.context()
    assert (await shelf.tools.call(ctx, "shelf.add_note", {"body": "before"})).ok
    await shelf.clinic_app.sql("UPDATE memberships SET status = 'disabled' WHERE user_id = $1", shelf.people["dentist"])

    result = await shelf.tools.call(ctx, "shelf.add_note", {"body": "after"})

    assert result.error.code == "permission_denied"
    assert await shelf.notes() == ["before"]


async def test_a_tool_outside_allowed_tools_is_refused_though_permitted(shelf):
    result = await shelf.tools.call(shelf.context(allowed_tools=("shelf.list_notes",)), "shelf.add_note", {"body": "x"})

    assert result.error.code == "tool_not_allowed"


async def test_scopes_narrow_what_the_person_may(shelf):
    ctx = shelf.context(scopes=("shelf.notes.read",))

    assert (await shelf.tools.call(ctx, "shelf.list_notes", {})).ok
    assert (await shelf.tools.call(ctx, "shelf.add_note", {"body": "x"})).error.code == "permission_denied"


async def test_a_tool_that_is_not_there_is_refused_and_in_the_trail(shelf):
    result = await shelf.tools.call(shelf.context(), "notifications.send_sms\n", {})

    assert result.error.code == "tool_unknown"
    assert await shelf.trail() == [("notifications.send_sms", "refused", "tool_unknown")]


async def test_wrong_arguments_are_named_and_neither_kept_nor_logged(shelf, caplog):
    with caplog.at_level(logging.DEBUG):
        result = await shelf.tools.call(shelf.context(), "shelf.add_note", {"body": SECRET_TEXT * 2, "colour": SECRET_TEXT})

    assert result.error.code == "arguments_invalid"
    assert {error["field"] for error in result.error.details["errors"]} == {"body", "colour"}
    assert SECRET_TEXT not in str(result.error)
    assert SECRET_TEXT not in caplog.text
    assert await shelf.clinic_app.sql("SELECT arguments::text FROM agent_audit_logs") == "{}"


@pytest.mark.parametrize(
    "arguments", ["[1]", "not json", '{"body": "a\\u0000b"}', {"body": "a\x00b"}], ids=["list", "text", "nul text", "nul"]
)
async def test_arguments_that_are_no_usable_object_are_refused(shelf, arguments):
    result = await shelf.tools.call(shelf.context(), "shelf.add_note", arguments)

    assert result.error.code == "arguments_invalid"


async def test_arguments_may_be_the_text_of_an_object_and_names_those_of_a_provider(shelf):
    result = await shelf.tools.call(shelf.context(), "shelf__add_note", '{"body": "from a provider"}')

    assert result.ok
    assert await shelf.notes() == ["from a provider"]


async def test_a_handler_that_fails_leaves_nothing_and_its_message_goes_nowhere(shelf, caplog):
    with caplog.at_level(logging.DEBUG):
        result = await shelf.tools.call(shelf.context(), "shelf.fail", {})

    assert result.error.code == "tool_failed"
    assert result.error.details["incident"] in caplog.text
    assert SECRET_TEXT not in str(result.error) + caplog.text
    assert await shelf.notes() == []
    assert await shelf.trail() == [("shelf.fail", "failed", "tool_failed")]


async def test_a_lost_connection_is_no_invitation_to_repeat(shelf):
    result = await shelf.tools.call(shelf.context(), "shelf.lose_connection", {})

    assert result.error.code == "outcome_unknown"
    assert await shelf.trail() == [("shelf.lose_connection", "failed", "outcome_unknown")]


async def test_a_tool_that_calls_itself_reading_cannot_write(shelf):
    result = await shelf.tools.call(shelf.context(), "shelf.sneak_note", {"body": "x"})

    assert result.error.code == "tool_not_read_only"
    assert await shelf.notes() == []
    assert await shelf.trail() == [("shelf.sneak_note", "failed", "tool_not_read_only")]


async def test_a_row_for_another_clinic_is_refused_by_the_database(shelf):
    other = await shelf.clinic_app.add_clinic("Other")

    result = await shelf.tools.call(shelf.context(), "shelf.add_note", {"body": "x", "clinic_id": str(other)})

    assert result.error.code == "other_clinic"
    assert await shelf.notes() == []


async def test_a_person_of_another_clinic_has_no_rights_here(shelf):
    other = await shelf.clinic_app.add_clinic("Other")
    ctx = AgentContext(other, shelf.people["dentist"], mode=AgentMode.AUTONOMOUS)

    assert (await shelf.tools.call(ctx, "shelf.list_notes", {})).error.code == "permission_denied"


async def test_the_limit_per_session_is_of_the_session_and_survives_a_restart(shelf):
    guardrails = GuardrailConfig(max_actions_per_session=3, max_actions_per_minute=100)
    ctx = shelf.context(guardrails=guardrails)
    assert all([(await shelf.tools.call(ctx, "shelf.list_notes", {})).ok for _ in range(3)])
    await shelf.clinic_app.sql("UPDATE agent_audit_logs SET created_at = created_at - interval '2 hours'")

    restarted = ToolRegistry(shelf.tools.modules, shelf.tools.database)
    result = await restarted.call(ctx, "shelf.list_notes", {})

    assert result.error.code == "session_exhausted"
    assert len(await shelf.trail()) == 3


async def test_the_limit_per_minute_passes_with_the_minute(shelf):
    ctx = shelf.context(guardrails=GuardrailConfig(max_actions_per_minute=2))
    assert all([(await shelf.tools.call(ctx, "shelf.list_notes", {})).ok for _ in range(2)])

    refused = await shelf.tools.call(ctx, "shelf.list_notes", {})
    await shelf.clinic_app.sql("UPDATE agent_audit_logs SET created_at = created_at - interval '61 seconds'")
    allowed = await shelf.tools.call(ctx, "shelf.list_notes", {})

    assert refused.error.code == "too_many_actions"
    assert 1 <= refused.error.details["retry_after"] <= 60
    assert allowed.ok


async def test_calls_at_the_same_moment_share_one_limit(shelf):
    ctx = shelf.context(guardrails=GuardrailConfig(max_actions_per_session=3))
    assert (await shelf.tools.call(ctx, "shelf.list_notes", {})).ok

    results = await asyncio.gather(*(shelf.tools.call(ctx, "shelf.list_notes", {}) for _ in range(5)))

    assert sorted(result.ok for result in results) == [False, False, False, True, True]


async def test_refused_calls_count_so_that_guessing_ends(shelf):
    ctx = shelf.context("assistant", guardrails=GuardrailConfig(max_actions_per_session=2))
    for _ in range(2):
        assert (await shelf.tools.call(ctx, "shelf.add_note", {"body": "x"})).error.code == "permission_denied"

    assert (await shelf.tools.call(ctx, "shelf.list_notes", {})).error.code == "session_exhausted"


async def test_in_a_read_only_clinic_tools_read_and_do_not_write(shelf):
    modes.install(modes.Mode.READ_ONLY)
    try:
        read = await shelf.tools.call(shelf.context(), "shelf.list_notes", {})
        write = await shelf.tools.call(shelf.context(), "shelf.add_note", {"body": "x"})
    finally:
        modes.install(modes.Mode.NORMAL)

    assert read.ok
    assert write.error.code == "mode_read_only"
    assert await shelf.trail() == [("shelf.list_notes", "completed", None), ("shelf.add_note", "refused", "mode_read_only")]


async def test_in_a_clinic_that_only_exports_no_tool_is_called(shelf):
    modes.install(modes.Mode.EXPORT_ONLY)
    try:
        read = await shelf.tools.call(shelf.context(), "shelf.list_notes", {})
    finally:
        modes.install(modes.Mode.NORMAL)

    assert read.error.code == "mode_export_only"


async def test_tools_of_a_module_that_is_gone_are_gone(shelf):
    assert {found.qualified for found in shelf.tools} > {"shelf.list_notes"}

    shelf.tools.modules.unmount("shelf")

    assert {found.qualified for found in shelf.tools} == {"agents.check_approval"}
    assert (await shelf.tools.call(shelf.context(), "shelf.list_notes", {})).error.code == "tool_unknown"


async def test_nothing_of_the_trail_can_be_deleted_or_rewritten_by_a_request(shelf):
    import asyncpg

    await shelf.tools.call(shelf.context(), "shelf.add_note", {"body": "kept"})
    connection = await asyncpg.connect(shelf.clinic_app.schema.app_url)
    await connection.execute("SELECT set_config('app.clinic_id', $1, false)", str(shelf.clinic_id))

    assert await connection.execute("DELETE FROM agent_audit_logs") == "DELETE 0"
    assert await connection.execute("UPDATE agent_audit_logs SET status = 'failed'") == "UPDATE 0"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("UPDATE agent_audit_logs SET arguments = '{}'")
    await connection.close()


async def test_the_trail_is_cleared_when_its_retention_is_over(shelf):
    await shelf.tools.call(shelf.context(), "shelf.list_notes", {})
    await shelf.clinic_app.sql("UPDATE agent_audit_logs SET created_at = now() - interval '731 days'")

    await shelf.tools.call(shelf.context(), "shelf.add_note", {"body": "new"})

    assert await shelf.trail() == [("shelf.add_note", "completed", None)]


async def test_the_retention_of_every_clinic_is_kept_without_a_new_session(shelf):
    from app.core.agents.sessions import forget_everywhere

    other = await shelf.clinic_app.add_clinic("Other")
    await shelf.clinic_app.add_member(shelf.people["dentist"], other, "dentist")
    for clinic in (shelf.clinic_id, other):
        ctx = AgentContext(clinic, shelf.people["dentist"], mode=AgentMode.SUPERVISED)
        assert (await shelf.tools.call(ctx, "shelf.add_note", {"body": "x"})).waiting
    await shelf.clinic_app.sql("UPDATE agent_audit_logs SET created_at = now() - interval '729 days'")
    await shelf.clinic_app.sql("UPDATE agent_approval_queue SET created_at = now() - interval '91 days'")

    await forget_everywhere(shelf.tools.database)

    assert await shelf.clinic_app.sql("SELECT count(*) FROM agent_approval_queue") == 0
    assert await shelf.clinic_app.sql("SELECT count(*) FROM agent_audit_logs") == 2
