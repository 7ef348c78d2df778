"""`dentalpin events` and `dentalpin jobs`: what failed and what runs by itself, for who operates the runtime."""

import json

import pytest
from typer.testing import CliRunner

from app.cli.commands import app
from app.config import get_settings
from tests.support.postgres import fetch_value, run_sql

SOL, LUNA = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
ROWS = f"""
    INSERT INTO clinics (id, name, country, timezone, currency, locale) VALUES
        ('{SOL}', 'Sol', 'ES', 'Europe/Madrid', 'EUR', 'es-ES'), ('{LUNA}', 'Luna', 'ES', 'Europe/Madrid', 'EUR', 'es-ES');
    INSERT INTO core_event (name, clinic_id, entity, payload) VALUES
        ('appointment.completed', '{SOL}', 'appointment:1', '{{"appointment_id": 1}}'),
        ('appointment.completed', '{LUNA}', 'appointment:2', '{{"appointment_id": 2}}'),
        ('patient.created', '{LUNA}', 'patient:3', '{{}}');
    INSERT INTO core_event_delivery (event_id, module_name, handler, clinic_id, entity, status, attempts, last_error)
        SELECT id, 'inventory', 'consume', clinic_id, entity, 'dead', 12, 'ValueError at events.py:3' FROM core_event;
    INSERT INTO core_job (module_name, job_id, clinic_id, name, trigger, definition, next_run_at)
        SELECT 'recalls', 'remind', id, 'Remind', 'cron: hour=8', 'x', '2100-01-01T08:00:00Z' FROM clinics;
    INSERT INTO core_job_run (job, module_name, job_id, clinic_id, status, attempt, scheduled_for, process, error)
        SELECT id, module_name, job_id, clinic_id, 'failed', 1, now(), 'host:1', 'ValueError at jobs.py:7' FROM core_job;
"""


@pytest.fixture
def dentalpin(core_schema, monkeypatch, tmp_path):
    monkeypatch.setenv("OWNER_DATABASE_URL", core_schema.owner_url)
    monkeypatch.setenv("DENTALPIN_STORAGE", str(tmp_path))
    get_settings.cache_clear()
    run_sql(core_schema.owner_url, ROWS)

    def run(*arguments, status=0):
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == status, done.output
        return done.output

    run.value = lambda query: fetch_value(core_schema.owner_url, query)
    yield run
    get_settings.cache_clear()


def test_dead_letters_of_every_clinic_are_listed_the_newest_first(dentalpin):
    text = dentalpin("events", "dead-letters", "--event", "appointment.completed")
    document = json.loads(dentalpin("events", "dead-letters", "--limit", "1", "--json"))

    assert [line.split()[0] for line in text.splitlines()] == ["2", "1"]
    assert "appointment.completed to inventory, 12 attempts: ValueError at events.py:3" in text
    assert (document["data"][0]["event"], document["total"]) == ("patient.created", 3)


def test_one_delivery_is_shown_with_its_payload(dentalpin):
    assert '{"appointment_id": 1}' in dentalpin("events", "show", "1")
    assert "delivery_unknown" in dentalpin("events", "show", "99", status=1)


def test_one_or_all_dead_letters_are_replayed(dentalpin):
    dentalpin("events", "replay", "1")
    assert "delivery_not_dead" in dentalpin("events", "replay", "1", status=1)
    assert json.loads(dentalpin("events", "replay", "--all", "--event", "appointment.completed", "--json")) == {"data": {"replayed": 1}}
    assert dentalpin.value("SELECT string_agg(status, ' ' ORDER BY id) FROM core_event_delivery") == "pending pending dead"
    dentalpin("events", "replay", status=2)


def test_a_delivery_is_discarded(dentalpin):
    assert "is not delivered to inventory any more" in dentalpin("events", "discard", "3")
    assert dentalpin.value("SELECT status || ' ' || decision FROM core_event_delivery WHERE id = 3") == "closed discarded"


def test_jobs_of_every_clinic_are_listed_with_their_runs(dentalpin):
    text = dentalpin("jobs", "list")
    runs = json.loads(dentalpin("jobs", "runs", "recalls", "remind", "--clinic", SOL, "--json"))["data"]

    assert text.count("recalls remind") == 2
    assert "cron: hour=8  next 2100-01-01 08:00:00  last failed" in text
    assert [(run["clinic_id"], run["error"]) for run in runs] == [(SOL, "ValueError at jobs.py:7")]


def test_a_job_is_made_due_in_one_clinic_or_in_all(dentalpin):
    due = "SELECT count(*)::int FROM core_job WHERE next_run_at <= now()"
    dentalpin("jobs", "run", "recalls", "remind", "--clinic", LUNA)
    assert dentalpin.value(due) == 1
    dentalpin("jobs", "run", "recalls", "remind")
    assert dentalpin.value(due) == 2
    assert "job_unknown" in dentalpin("jobs", "run", "recalls", "sweep", status=1)


def test_a_job_is_paused_and_resumed(dentalpin):
    assert dentalpin("jobs", "pause", "recalls", "remind").count("paused") == 2
    assert "next 2100" in dentalpin("jobs", "resume", "recalls", "remind")
