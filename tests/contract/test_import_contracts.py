"""Who may import whom: the contracts hold, and a breach is noticed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).with_name("lint-imports")
RUFF = Path(sys.executable).with_name("ruff")


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    """Check `tree` and nothing else: its own packages come first on the path, before any installed copy."""
    path = f"{tree / 'runtime'}:{tree}"
    return subprocess.run([LINT, "--no-cache"], cwd=tree, env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True)


@pytest.fixture
def tree(tmp_path):
    copy = tmp_path / "tree"
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", "node_modules")
    for folder in ("control_plane", "runtime", "modules"):
        shutil.copytree(ROOT / folder, copy / folder, symlinks=True, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def test_the_contracts_hold(tree):
    done = lint_imports(tree)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("control_plane/tenants/service.py", "import app.database", "The control plane imports neither the runtime nor a module"),
        ("control_plane/tenants/service.py", "import app.modules.patients", "The control plane imports neither the runtime nor a module"),
        ("runtime/app/core/schemas.py", "import control_plane.config", "The runtime does not import the control plane"),
        ("runtime/app/core/schemas.py", "import app.modules.patients", "The core imports no module"),
        ("runtime/dentalpin_kit/faults.py", "import app.config", "The kit is a leaf"),
        ("modules/patients/service.py", "import app.modules.agenda", "A module imports only the modules it depends on"),
        ("modules/patients/service.py", "import dentalpin_kit.tokens", "A module uses the core's contract, not the kit"),
    ],
)
def test_a_breach_fails(tree, file, line, contract):
    target = tree / file
    target.write_text(f"{target.read_text()}\n{line}\n")

    done = lint_imports(tree)

    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{contract} BROKEN" in " ".join(done.stdout.split())


@pytest.mark.parametrize("line", ["import modules.patients", "from runtime.app import config"])
def test_folders_are_not_importable_packages(tree, line):
    target = tree / "control_plane" / "breach.py"
    target.write_text(f"{line}\n")

    done = subprocess.run([RUFF, "check", "--no-cache", target], cwd=tree, capture_output=True, text=True)

    assert done.returncode == 1
    assert "TID251" in done.stdout
