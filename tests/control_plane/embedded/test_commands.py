"""`./dev status`, a second `./dev up`, and bin/dentalpin, on folders in all states."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from control_plane.deployers.local.placement import Goal, Placement, PlacementStore
from control_plane.embedded import commands
from control_plane.embedded.layout import Facts, Layout, Options
from control_plane.embedded.running import AlreadyRunning, is_running, take_lock

ROOT = Path(__file__).parents[3]


@pytest.fixture
def layout(tmp_path):
    found = Layout(tmp_path / "var")
    found.make()
    return found


def dev(layout, *arguments, **environment):
    command = [sys.executable, "-m", "control_plane.embedded", arguments[0], "--data", str(layout.data), *arguments[1:]]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment}, check=False)


def place(layout, slug):
    PlacementStore(layout.tenants).save(Placement(str(uuid4()), slug, slug.title(), "one", 8100, Goal.RUNNING))


@pytest.fixture
def runtime_env(tmp_path, layout):
    """A runtime environment whose `dentalpin` prints what it was given."""
    program = tmp_path / "runtime" / "bin" / "dentalpin"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{sys.executable}\nimport json, os, sys\nprint(json.dumps([sys.argv[1:], dict(os.environ)]))\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    Facts("127.0.0.1", 8000, "http://127.0.0.1:8000", str(program.parents[1])).write(layout)
    return program.parents[1]


def test_one_platform_per_folder_and_the_second_is_told_where_the_first_is(layout):
    Facts("127.0.0.1", 8123, "http://127.0.0.1:8123", "env").write(layout)
    held = take_lock(layout)

    assert is_running(layout)
    with pytest.raises(AlreadyRunning, match=f"8123 \\(process {os.getpid()}\\)"):
        take_lock(layout)
    refused = dev(layout, "up", "--runtime-env", "nowhere")
    assert (refused.returncode, "runs already" in refused.stderr) == (1, True)

    os.close(held)
    assert not is_running(layout)


def test_status_of_a_folder_nothing_runs_on(layout, tmp_path):
    shown = json.loads(dev(layout, "status", "--json").stdout)

    assert (shown["running"], shown["data"], shown["processes"]) == (False, str(layout.data), [])
    assert "./dev up" in dev(Layout(tmp_path / "never"), "status").stdout
    assert not (tmp_path / "never").exists()


def test_down_where_nothing_runs_says_so(layout):
    done = dev(layout, "down")

    assert (done.returncode, "does not run" in done.stdout) == (0, True)


def test_an_environment_without_the_runtime_is_refused_with_what_to_do(layout, tmp_path):
    refused = dev(layout, "up", "--runtime-env", str(tmp_path), DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")

    assert refused.returncode == 1


def test_the_only_clinic_needs_no_name(layout, runtime_env):
    place(layout, "clinica-sol")

    done = dev(layout, "clinic", "modules", "list", "--json")

    arguments, environment = json.loads(done.stdout)
    assert arguments == ["modules", "list", "--json"]
    assert environment["DENTALPIN_REVISION_FILE"].startswith(str(layout.tenants))
    assert environment["OWNER_DATABASE_URL_FILE"].endswith("/secrets/owner.url")


def test_a_clinic_s_command_gets_the_programs_of_the_embedded_server(layout, runtime_env, monkeypatch):
    monkeypatch.delenv("PG_BINDIR", raising=False)
    layout.postgres.mkdir()
    place(layout, "clinica-sol")

    _, environment = json.loads(dev(layout, "clinic", "modules", "restore", "inventory").stdout)

    assert (Path(environment["PG_BINDIR"]) / "pg_restore").exists()


def test_several_clinics_are_listed_unless_one_is_named(layout, runtime_env):
    place(layout, "clinica-sol")
    place(layout, "clinica-mar")

    asked = dev(layout, "clinic", "modules", "list")
    named = dev(layout, "clinic", "--tenant", "clinica-mar", "modules", "list")
    unknown = dev(layout, "clinic", "--tenant", "clinica-luna", "modules", "list")

    assert (asked.returncode, "clinica-mar, clinica-sol" in asked.stderr) == (1, True)
    assert json.loads(named.stdout)[0] == ["modules", "list"]
    assert (unknown.returncode, "clinica-luna" in unknown.stderr) == (1, True)


def test_before_the_first_start_the_commands_say_how_to_start(layout):
    assert "./dev up" in dev(layout, "clinic", "modules", "list").stderr
    assert "./dev up" in dev(layout, "key").stderr


def test_the_demo_clinic_is_shown_where_it_is_now(layout, monkeypatch):
    Facts("0.0.0.0", 8000, "http://192.0.2.7:8000", "env").write(layout)
    layout.demo.write_text(json.dumps({"url": "http://127.0.0.1:20001", "email": "ana@example.com", "password": "secret"}))
    shown = "\n".join(commands.summary(layout))
    monkeypatch.setattr(commands, "_clinics", lambda _: [{"slug": "clinica-demo", "url": "http://192.0.2.7:20001"}])
    moved = "\n".join(commands.summary(layout))

    assert "http://127.0.0.1:20001/" in shown
    assert "http://192.0.2.7:20001/" in moved
    assert "ana@example.com, password secret" in moved


def test_a_platform_that_dies_while_it_is_started_shows_its_last_words(layout, tmp_path, monkeypatch, capfd):
    dying = tmp_path / "python"
    dying.write_text("#!/bin/sh\necho 'no space left' >&2\nexit 3\n")
    dying.chmod(0o755)
    monkeypatch.setattr(commands.sys, "executable", str(dying))

    status = commands.up_detached(Options(layout.data, "127.0.0.1", None, None, False), [])

    said = capfd.readouterr().err
    assert status == 1
    assert str(layout.logs / "platform.log") in said
    assert "no space left" in said


def started_as(tmp_path, monkeypatch, event):
    """Let `up --detach` start something that reports this event and stays."""
    starting = tmp_path / "python"
    line = json.dumps(event)
    starting.write_text(f"#!/bin/sh\nwhile [ $1 != --report-to ]; do shift; done\nprintf '%s\\n' '{line}' >/proc/self/fd/$2\n")
    starting.chmod(0o755)
    monkeypatch.setattr(commands.sys, "executable", str(starting))


@pytest.mark.parametrize(("complete", "expected"), [(True, 0), (False, 3)])
def test_a_platform_without_the_demo_it_was_asked_for_is_no_success(layout, tmp_path, monkeypatch, complete, expected):
    started_as(tmp_path, monkeypatch, {"kind": "ready", "text": "", "complete": complete})

    assert commands.up_detached(Options(layout.data, "127.0.0.1", None, None, True), ["--demo"]) == expected


def test_a_console_log_that_has_grown_is_put_aside_at_the_next_start(layout, tmp_path, monkeypatch):
    layout.make()
    console = layout.logs / "platform.log"
    console.write_bytes(b"x" * (commands.CONSOLE_BYTES + 1))
    started_as(tmp_path, monkeypatch, {"kind": "ready", "text": "", "complete": True})

    commands.up_detached(Options(layout.data, "127.0.0.1", None, None, False), [])

    assert console.stat().st_size == 0
    assert (layout.logs / "platform.log.1").stat().st_size == commands.CONSOLE_BYTES + 1
