"""Guardrails as pure decisions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.core.agents import AgentMode, GuardrailConfig, ToolCategory

PATTERNS = st.lists(st.sampled_from(["*", "patients.*", "*.delete_*", "agenda.end_appointment", "[!a]*"]), max_size=3).map(tuple)
CONFIGS = st.builds(
    GuardrailConfig,
    max_actions_per_minute=st.integers(1, 10_000),
    max_actions_per_session=st.none() | st.integers(1, 1_000_000),
    require_approval_for=PATTERNS,
    blocked_tools=PATTERNS,
    approval_hours=st.integers(1, 720),
)


@given(CONFIGS, st.sampled_from(AgentMode))
def test_a_destructive_call_waits_whatever_is_configured(config, mode):
    assert config.needs_approval("agenda.end_appointment", ToolCategory.DESTRUCTIVE, mode)


@given(CONFIGS, st.sampled_from(AgentMode))
def test_supervision_never_lets_more_happen_than_autonomy(config, mode):
    for category in ToolCategory:
        autonomous = config.needs_approval("patients.delete_notes", category, AgentMode.AUTONOMOUS)
        assert not autonomous or config.needs_approval("patients.delete_notes", category, AgentMode.SUPERVISED)


@pytest.mark.parametrize(
    ("pattern", "tool", "covers"),
    [
        ("*.delete", "patients.delete", True),
        ("*.delete_*", "patients.delete_notes", True),
        ("patients.*", "patients.search_patients", True),
        ("patients.*", "patients_clinical.search", False),
        ("PATIENTS.*", "patients.search_patients", False),
    ],
)
def test_patterns_cover_what_they_say(pattern, tool, covers):
    assert GuardrailConfig(blocked_tools=(pattern,)).blocks(tool) is covers


@pytest.mark.parametrize("wrong", [{"max_actions_per_minute": 0}, {"approval_hours": 0}, {"max_actions": 5}])
def test_limits_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValidationError):
        GuardrailConfig(**wrong)
