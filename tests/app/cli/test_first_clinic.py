"""`dentalpin clinics` and `dentalpin users`: from an empty stand-alone runtime to somebody who signs in."""

import json

import pytest
from typer.testing import CliRunner

from app.cli.commands import app
from app.config import get_settings
from app.core.auth.passwords import Passwords
from tests.support.postgres import fetch_value, in_fresh_loop

SPAIN = ("--country", "ES", "--timezone", "Europe/Madrid", "--currency", "EUR", "--locale", "es-ES")


@pytest.fixture
def dentalpin(core_schema, monkeypatch, tmp_path):
    monkeypatch.setenv("OWNER_DATABASE_URL", core_schema.owner_url)
    monkeypatch.setenv("DENTALPIN_STORAGE", str(tmp_path))
    get_settings.cache_clear()

    def run(*arguments, **options):
        return CliRunner().invoke(app, list(arguments), **options)

    run.value = lambda query: fetch_value(core_schema.owner_url, query)
    yield run
    get_settings.cache_clear()


@pytest.fixture
def password(tmp_path):
    file = tmp_path / "password"
    file.write_text("correct horse battery staple\n")
    return str(file)


def test_the_first_clinic_and_its_administrator(dentalpin, password):
    made = dentalpin("clinics", "create", "Clínica Sol", *SPAIN, "--json")
    assert made.exit_code == 0, made.output

    answer = dentalpin("users", "create", "Ana@Example.com", "--name", "Ana", "--password-file", password)

    assert answer.exit_code == 0, answer.output
    assert "ana@example.com may sign in now, and is admin of Clínica Sol" in answer.output
    assert (
        dentalpin.value("SELECT email || role || is_owner FROM users u JOIN memberships m ON m.user_id = u.id")
        == "ana@example.comadmintrue"
    )
    assert json.loads(dentalpin("clinics", "list", "--json").stdout)["data"][0]["id"] == json.loads(made.stdout)["data"]["id"]


def test_a_further_clinic_takes_over_what_is_not_said(dentalpin):
    dentalpin("clinics", "create", "Sol", *SPAIN)

    assert dentalpin("clinics", "create", "Luna", "--timezone", "Atlantic/Canary").exit_code == 0
    assert (
        dentalpin.value("SELECT country || ' ' || currency || ' ' || timezone FROM clinics WHERE name = 'Luna'") == "ES EUR Atlantic/Canary"
    )


def test_the_first_clinic_needs_its_facts_said(dentalpin):
    answer = dentalpin("clinics", "create", "Sol", "--country", "ES")

    assert answer.exit_code == 2
    assert "Say --timezone --currency --locale" in answer.stderr
    assert dentalpin("clinics", "create", "Sol", *SPAIN[:2], "--timezone", "Mars/Olympus").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("no-address",), "is no e-mail address"),
        (("bo@example.com", "--role", "king"), "no role 'king'; it has admin, assistant"),
        (("bo@example.com", "--clinic", "Luna"), "Say with --clinic"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(dentalpin, password, arguments, says):
    dentalpin("clinics", "create", "Sol", *SPAIN)

    answer = dentalpin("users", "create", *arguments, "--password-file", password)

    assert answer.exit_code == 1
    assert says in answer.stderr
    assert dentalpin.value("SELECT count(*) FROM users") == 0


def test_a_weak_password_is_refused(dentalpin):
    dentalpin("clinics", "create", "Sol", *SPAIN)

    answer = dentalpin("users", "create", "ana@example.com", "--password-file", "-", input="password\n")

    assert answer.exit_code == 1
    assert dentalpin.value("SELECT count(*) FROM users") == 0


def test_a_forgotten_password_is_replaced_and_sessions_end(dentalpin, password):
    dentalpin("clinics", "create", "Sol", *SPAIN)
    dentalpin("users", "create", "ana@example.com", "--password-file", password)
    dentalpin.value(
        "INSERT INTO refresh_tokens (user_id, family_id, token_hash, expires_at) "
        "SELECT id, gen_random_uuid(), 'x', now() + interval '1 day' FROM users RETURNING 1"
    )

    answer = dentalpin("users", "set-password", "ana@example.com", "--password-file", "-", input="another battery staple horse")

    assert answer.exit_code == 0, answer.output
    hashed = dentalpin.value("SELECT password_hash FROM users")
    assert in_fresh_loop(lambda: Passwords().verify("another battery staple horse", hashed)) == (True, None)
    assert dentalpin.value("SELECT count(*) FROM refresh_tokens WHERE revoked_at IS NULL") == 0
    assert dentalpin.value("SELECT string_agg(event, ' ' ORDER BY id) FROM access_log") == "clinic_created password_set password_set"
    assert dentalpin("users", "set-password", "bo@example.com", "--password-file", "-", input="x" * 12).exit_code == 1
