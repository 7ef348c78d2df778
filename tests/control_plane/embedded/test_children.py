"""The platform's processes are kept running, ever more patiently, and stopped for good."""

import asyncio
import os
import signal
import sys

import pytest

from control_plane.embedded.children import Child, ended, retry_after

LIVES = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(0)); print('up', flush=True); signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"


class Watched(Child):
    """Tells when its process has changed and when it has said something."""

    def __init__(self, tmp_path, code):
        self.happened = asyncio.Event()
        super().__init__("one", [sys.executable, "-c", code], os.environ, tmp_path / "one.log", changed=self.happened.set)

    async def until(self, condition):
        async with asyncio.timeout(20):
            while not condition():
                self.happened.clear()
                with_output = asyncio.create_task(asyncio.sleep(0.02))
                waiting = asyncio.create_task(self.happened.wait())
                await asyncio.wait({with_output, waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                with_output.cancel()


@pytest.fixture
async def child(tmp_path):
    started = Watched(tmp_path, LIVES)
    started.start()
    await started.until(lambda: "up" in started.console.tail)
    yield started
    await started.stop()


async def test_a_killed_process_is_started_again(child):
    first = child.pid
    os.kill(first, signal.SIGKILL)

    await child.until(lambda: child.pid not in (None, first))

    assert child.restarts == 1


async def test_what_it_prints_is_in_its_log(child):
    assert child.console.file.read_text() == "up\n"


async def test_a_stopped_process_stays_stopped(child):
    pid = child.pid

    await child.stop()

    assert child.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_process_that_does_not_want_to_stop_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("control_plane.embedded.children.STOP_SECONDS", 0.2)
    stubborn = Watched(tmp_path, STUBBORN)
    stubborn.start()
    await stubborn.until(lambda: "up" in stubborn.console.tail)

    await stubborn.stop()

    assert stubborn.pid is None


async def test_the_end_of_a_process_is_seen_whoever_started_it():
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    async with asyncio.timeout(20):
        await ended(process.pid)
    await process.wait()
    await ended(process.pid)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.0), (2, 0.2), (4, 0.8), (30, 30.0)])
def test_restarts_come_ever_more_slowly(failures, seconds):
    assert retry_after(failures) == seconds
