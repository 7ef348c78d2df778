"""`./dev` on a bare machine: nothing but a Python, an empty home and this checkout."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path):
    """The files of this checkout as a clone has them, without what is made below it."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    folder = tmp_path / "a clone"
    for name in listed.stdout.splitlines():
        source, target = ROOT / name, folder / name
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    return folder


def dev(folder, *arguments, cwd=None, **environment):
    """Run ./dev with an environment that holds nothing else."""
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    variables = {"HOME": str(home), "PATH": os.environ["PATH"], **environment}
    return subprocess.run([folder / "dev", *arguments], cwd=cwd or folder, env=variables, capture_output=True, text=True, check=False)


def fake_python(folder, answers):
    """A `python3` that answers the questions ./dev asks it."""
    program = folder / "fake-python3"
    program.write_text(f'#!/bin/sh\ncase "$2" in\n{answers}\nesac\n')
    program.chmod(0o755)
    return str(program)


def test_help_needs_nothing(clone, tmp_path):
    shown = dev(clone, "help", PATH="/usr/bin:/bin", cwd=tmp_path)

    assert (shown.returncode, "--detach" in shown.stdout) == (0, True)


def test_an_unknown_command_is_named(clone):
    refused = dev(clone, "destroy")

    assert (refused.returncode, "no command 'destroy'" in refused.stderr) == (1, True)


def test_a_python_without_venv_gets_a_sentence_that_says_what_to_install(clone, tmp_path):
    python = fake_python(tmp_path, "*print*) echo 3.12;; *ensurepip*) exit 1;; *) exit 0;;")

    assert "Python 3.12 cannot make environments yet" in (said := dev(clone, "lint", DENTALPIN_PYTHON=python).stderr)
    assert "apt install python3-venv" in said


def test_a_python_that_is_too_old_gets_a_sentence_that_says_what_to_install(clone, tmp_path):
    python = fake_python(tmp_path, "*print*) echo 3.9;; *) exit 1;;")

    assert "3.11 or newer is needed and this is 3.9" in dev(clone, "lint", DENTALPIN_PYTHON=python).stderr


def test_no_python_at_all_gets_a_sentence_that_says_what_to_install(clone, tmp_path):
    assert "apt install python3 python3-venv" in dev(clone, "lint", DENTALPIN_PYTHON=str(tmp_path / "none")).stderr


@pytest.mark.timeout(600)
def test_a_clone_prepares_itself_from_anywhere_and_only_once(clone, tmp_path):
    first = dev(clone, "status", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "Preparing Python" in first.stderr
    assert "./dev up" in first.stdout

    second = dev(clone, "status")
    assert "Preparing" not in second.stderr

    with (clone / "pyproject.toml").open("a") as project:
        project.write("\n# another lock\n")
    racing = [
        subprocess.Popen(
            [clone / "dev", "status"],
            env={"HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate()[1] for process in racing]
    assert [process.returncode for process in racing] == [0, 0], said
    assert sum("Preparing Python" in text for text in said) >= 1
    assert not (clone / "var").exists()
