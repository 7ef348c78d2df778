"""Every state that can be stuck, and every alert, has a runbook; every alert reads a metric there is."""

import re
from pathlib import Path

import pytest
import yaml

import control_plane
from control_plane.machines import MACHINES
from control_plane.mail.states import MailState
from control_plane.transitions import Standing

OPERATORS = Path(__file__).parents[3] / "docs" / "operators"
RUNBOOKS = {file.name for file in (OPERATORS / "runbooks").glob("*.md")}
ALERTS = [rule for group in yaml.safe_load((OPERATORS / "alerts.yml").read_text())["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("machine", ["tenant", "operation"])
def test_every_state_that_can_be_stuck_has_a_runbook(machine):
    states = MACHINES[machine].standing(Standing.UNDER_WAY, Standing.STUCK)
    assert {f"{machine}-{state.value.replace('_', '-')}.md" for state in states} <= RUNBOOKS


NAMED = sorted(
    {
        name
        for path in Path(control_plane.__file__).parent.rglob("*.py")
        for name in re.findall(r'"([a-z][a-z-]*\.md)"', path.read_text(encoding="utf-8"))
    }
)


@pytest.mark.parametrize("name", [*NAMED, *(f"mail-{state.value}.md" for state in (MailState.WAITING, MailState.FAILED))])
def test_every_runbook_that_an_answer_names_is_there(name):
    assert name in RUNBOOKS


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_fires_once_however_many_processes_measure(alert):
    assert re.match(r"(max|min|sum|count|absent)\b", alert["expr"]), "each replica of the API shows the same figure"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_has_its_runbooks(alert):
    pattern = re.escape(Path(alert["annotations"]["runbook"]).name).replace(re.escape("{{ $labels.state }}"), "[a-z-]+")
    assert any(re.fullmatch(pattern, name) for name in RUNBOOKS)


async def test_every_alert_reads_a_metric_there_is(client):
    known = set(re.findall(r"^# TYPE (\S+)", (await client.get("/metrics")).text, re.MULTILINE))
    read = {name for alert in ALERTS for name in re.findall(r"dentalpin_\w+", alert["expr"])}
    assert read <= known
