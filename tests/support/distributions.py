"""Community modules as their users get them: built as a wheel, unpacked beside the suite, found by their entry point.

A wheel of pure Python is installed by unpacking it, so that no test needs pip, the network, or a change of the environment it runs in.
"""

import importlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_SOURCE = {".git", ".venv", ".tools", "var", "node_modules", "__pycache__"}


def build_wheel(source: Path, out: Path) -> Path:
    """The wheel of the distribution at `source`, in `out`; built from a copy, so that nothing is left behind in the source."""
    copy = out / "source" / source.name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy, symlinks=True, ignore=shutil.ignore_patterns("build", "dist", "*.egg-info", "__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--skip-dependency-check", "--outdir", str(out), str(copy)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return max(out.glob("*.whl"), key=lambda path: path.stat().st_mtime_ns)


@contextmanager
def installed(wheel: Path, site: Path) -> Iterator[Path]:
    """Have the wheel's packages importable and its entry points discoverable in this process for the time of the block."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    try:
        yield site
    finally:
        sys.path.remove(str(site))
        importlib.invalidate_caches()


@pytest.fixture(scope="session")
def core_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dentalpin-core itself."""
    folder = tmp_path_factory.mktemp("core")
    source = folder / "dentalpin"
    shutil.copytree(ROOT, source, symlinks=True, ignore=lambda _, names: [name for name in names if name in NOT_SOURCE])
    wheel = build_wheel(source, folder / "dist")
    shutil.rmtree(source)
    return wheel


@pytest.fixture(scope="session")
def inventory_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guide's inventory, built as its author would."""
    return build_wheel(ROOT / "examples" / "dentalpin_inventory", tmp_path_factory.mktemp("inventory"))


@pytest.fixture(scope="session")
def sample_module_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT / "tests" / "fixtures" / "sample_module", tmp_path_factory.mktemp("sample_module"))


@pytest.fixture(scope="session")
def inventory_installed(inventory_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with installed(inventory_wheel, tmp_path_factory.mktemp("inventory_site")) as site:
        yield site


@pytest.fixture(scope="session")
def sample_module_installed(sample_module_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with installed(sample_module_wheel, tmp_path_factory.mktemp("sample_module_site")) as site:
        yield site
