"""A platform for benchmarks, in a temporary folder, on a durable database as in use."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.installation import Platform
from tests.support.runtime_env import INVENTORY, make_overlay


@contextmanager
def platform(**environment: str) -> Iterator[Platform]:
    folder = Path(tempfile.mkdtemp(prefix="dentalpin-bench-"))
    running = Platform(folder / "var", make_overlay(folder / "runtime-env", INVENTORY), **environment)
    try:
        yield running.up()
    finally:
        running.down()
        shutil.rmtree(folder, ignore_errors=True)


def resident_mib(pid: int) -> float:
    """Memory of one process that no other shares (private) plus its part of what is shared, in MiB (PSS)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"no Pss line for process {pid}")
