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


def build_wheel(source: Path, folder: Path) -> Path:
    """The wheel of the distribution at `source`, built in `folder` from a copy: nothing is left behind in the source."""
    copy = folder / "source"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("build", "dist", "*.egg-info", "__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"), str(copy)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    [wheel] = (folder / "dist").glob("*.whl")
    return wheel


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
