"""Processes that cost some ten milliseconds and may be killed: one parent that has imported the processor forks one per task.

Spoken over its standard streams, a JSON document a line: a task in, the exit status of the process that ran it out.
"""

import asyncio
import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOT_AS_ASKED = 1
RAISED = 2


class Zygote:
    """The parent, from the tests' side. One task at a time."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.support.zygote"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, **task: Any) -> int:
        """Run the task in a process of its own; the exit status, negative for the signal that killed it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(task, default=str) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """Starts processes that run the processor."""
    made = Zygote()
    yield made
    made.close()


def _serve() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _work(json.loads(line))
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _work(task: dict[str, Any]) -> None:
    """In the forked process, which never returns from here."""
    status = RAISED
    try:
        # What this process says belongs to the test's log, not between the answers.
        os.dup2(2, 1)
        os.environ.update(task["environment"])
        sys.path[:0] = task["sites"]
        status = 0 if asyncio.run(_process(task)) else NOT_AS_ASKED
    except Exception:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


async def _process(task: dict[str, Any]) -> bool:
    from app.core.plugins.loader import discover_modules
    from app.core.plugins.processor import Processor
    from app.core.plugins.registry import ModuleRegistry
    from app.core.plugins.restoring import restore

    processor = Processor(
        task["owner_url"],
        Path(task["storage"]),
        discovery=discover_modules(task["sites"]),
        registry=ModuleRegistry(),
        bindir=Path(task["bindir"]),
    )
    if task["work"] == "restore":
        await restore(processor, task["module"])
        return True
    return (await processor.run(removals=task["work"] == "removals")).ok


if __name__ == "__main__":
    for name in ("app.core.plugins.processor", "app.core.plugins.restoring"):
        importlib.import_module(name)
    _serve()
