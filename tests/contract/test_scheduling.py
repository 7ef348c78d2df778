"""Tests that share a platform run in one process, whatever the versions of pytest and its plugins: another would start its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WRITES_WHERE_IT_RAN = """
import os, pathlib, pytest

@pytest.mark.parametrize("number", range(4))
def test_somewhere(number):
    with (pathlib.Path(__file__).parents[2] / "{unit}").open("a") as ran:
        ran.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


def test_a_folder_with_one_platform_is_one_workers_and_other_files_are_spread(tmp_path):
    for file, unit in [("chaos/test_a", "chaos"), ("chaos/test_b", "chaos"), ("app/test_c", "c"), ("app/test_d", "d"), ("app/test_e", "e")]:
        test = tmp_path / "tests" / f"{file}.py"
        test.parent.mkdir(parents=True, exist_ok=True)
        test.write_text(WRITES_WHERE_IT_RAN.format(unit=unit))
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadscope", "-p", "tests.support.scheduling"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}

    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), "--import-mode=importlib", "tests"],
        cwd=tmp_path,
        env={**inherited, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    ran = {unit: (tmp_path / unit).read_text().split() for unit in ("chaos", "c", "d", "e")}
    assert {unit: len(where) for unit, where in ran.items()} == {"chaos": 8, "c": 4, "d": 4, "e": 4}
    assert all(len(set(where)) == 1 for where in ran.values())
    assert len({where[0] for where in ran.values()}) == 2
