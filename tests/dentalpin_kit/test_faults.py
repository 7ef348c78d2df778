import os
import signal
import subprocess
import sys

import pytest

from dentalpin_kit import faults


def test_nothing_happens_without_an_armed_point(monkeypatch):
    monkeypatch.delenv("DENTALPIN_FAULT", raising=False)

    faults.point("processor.install.migrate.before")


@pytest.mark.parametrize("armed", ["step.before:error", "step:before:error", "step:error:before"])
def test_an_armed_point_fails(monkeypatch, armed):
    monkeypatch.setenv("DENTALPIN_FAULT", armed)

    faults.point("step.after")
    with pytest.raises(faults.InjectedFault, match=r"step\.before"):
        faults.point("step.before")


def test_a_fault_fires_once_over_all_processes(monkeypatch, tmp_path):
    monkeypatch.setenv("DENTALPIN_FAULT", "step:error")
    monkeypatch.setenv("DENTALPIN_FAULT_ONCE", str(tmp_path / "fired"))

    with pytest.raises(faults.InjectedFault):
        faults.point("step")
    faults.point("step")


def test_an_unknown_option_is_an_error(monkeypatch):
    monkeypatch.setenv("DENTALPIN_FAULT", "step:sometimes")

    with pytest.raises(ValueError, match="sometimes"):
        faults.point("step")


def test_the_default_is_to_kill_the_process(tmp_path):
    program = "from dentalpin_kit import faults; faults.point('step.after'); print('alive')"
    marker = tmp_path / "fired"
    environment = {"DENTALPIN_FAULT": "step:after", "DENTALPIN_FAULT_ONCE": str(marker)}

    first = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    second = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)

    assert (first.returncode, first.stdout) == (-signal.SIGKILL, "")
    assert (second.returncode, second.stdout) == (0, "alive\n")


def test_a_paused_process_goes_on_when_it_is_told_to(tmp_path):
    marker = tmp_path / "fired"
    code = "from dentalpin_kit import faults; faults.point('step.before'); print('went on')"
    environment = {**os.environ, "DENTALPIN_FAULT": "step:before:pause", "DENTALPIN_FAULT_ONCE": str(marker)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    while not marker.exists():
        assert process.poll() is None
    assert process.poll() is None

    marker.with_name("fired.go").touch()

    assert process.communicate(timeout=30)[0] == "went on\n"


def test_a_file_arms_running_processes_one_case_after_the_other(monkeypatch, tmp_path):
    armed = tmp_path / "armed"
    monkeypatch.setenv("DENTALPIN_FAULT", f"@{armed}")
    faults.point("first.before")

    for name in ("first", "second"):
        armed.write_text(f"{name}:before:error")
        with pytest.raises(faults.InjectedFault, match=name):
            faults.point(f"{name}.before")
        faults.point(f"{name}.before")
        assert armed.with_name("armed.fired").exists()
