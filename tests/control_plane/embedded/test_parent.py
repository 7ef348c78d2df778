"""A whole platform without clinics: it comes up, survives every kill, and leaves nothing when it goes down."""

import json
import os
import shutil
import signal
import socket
from pathlib import Path

import httpx2
import pytest

from control_plane.embedded.layout import Facts, Layout
from dentalpin_kit.ports import free_port
from tests.support.installation import Platform, wait_for
from tests.support.runtime_env import make_overlay


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedded")
    running = Platform(folder / "var", make_overlay(folder / "runtime-env"))
    # A port that no other platform on this machine would choose by itself.
    layout = Layout(running.data)
    layout.make()
    Facts("127.0.0.1", free_port(), "", "").write(layout)
    yield running.up()
    running.down()
    shutil.rmtree(folder, ignore_errors=True)


def answers(platform):
    try:
        return httpx2.get(f"{platform.status()['api']}/health/ready", timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False


def restarts(platform, name):
    return next(process["restarts"] for process in platform.status()["processes"] if process["name"] == name)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_status_says_where_everything_is(platform):
    shown = platform.status()

    assert [process["name"] for process in shown["processes"]] == ["platform", "postgres", "payments", "supervisor", "api", "worker"]
    assert all(alive(process["pid"]) for process in shown["processes"])
    assert Path(shown["key_file"]).stat().st_mode & 0o077 == 0
    assert platform.api.get("/v1/tenants").status_code == 200


def test_a_second_up_on_the_same_folder_says_so(platform):
    refused = platform.command("up", "--detach", check=False)

    assert refused.returncode == 1
    assert str(platform.pid("platform")) in refused.stderr


def test_another_key_works(platform):
    key = platform.command("key", "--name", "Ana").stdout.strip()

    assert httpx2.get(f"{platform.status()['api']}/v1/tenants", headers={"Authorization": f"Bearer {key}"}).status_code == 200


@pytest.mark.parametrize("name", ["supervisor", "payments", "api", "worker", "postgres"])
def test_a_killed_process_comes_back(platform, name):
    killed = platform.pid(name)
    os.kill(killed, signal.SIGKILL)

    def back():
        found = platform.pid(name) if all(process["pid"] for process in platform.status()["processes"]) else None
        return found not in (None, killed) and alive(found)

    wait_for(back, f"{name} runs again")
    wait_for(lambda: answers(platform), "the API answers")
    wait_for(lambda: restarts(platform, name) >= 1, f"the restart of {name} is counted")


def test_after_a_kill_of_the_parent_nothing_lingers_and_the_next_start_goes_on(platform):
    before = platform.status()
    children = [process["pid"] for process in before["processes"] if process["name"] in ("supervisor", "payments", "api", "worker")]

    platform.kill("platform")
    wait_for(lambda: not any(alive(pid) for pid in children), "the children are gone")
    assert not platform.status()["running"]
    platform.up()

    assert platform.status()["api"] == before["api"]
    assert wait_for(lambda: answers(platform), "the API answers")


def test_a_port_that_was_taken_is_replaced_and_the_new_one_kept(platform):
    old = platform.status()["api"]
    platform.down()
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", int(old.rpartition(":")[2])))
        stranger.listen()
        platform.up()
        new = platform.status()["api"]
        platform.down()
    platform.up()

    assert new != old
    assert platform.status()["api"] == new


def test_down_leaves_no_process(platform):
    pids = [process["pid"] for process in platform.status()["processes"]]

    platform.down()

    assert not any(alive(pid) for pid in pids)
    assert json.loads(platform.command("status", "--json").stdout)["processes"] == []
    platform.up()
