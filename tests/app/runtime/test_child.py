import asyncio
import subprocess
import sys
from pathlib import Path

from app.core.runtime.child import wait_for_child


def start(program):
    return subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE)


async def test_a_childs_end_is_noticed_and_it_is_reaped():
    child = start("import sys; sys.stdin.read(); sys.exit(4)")
    waiting = asyncio.create_task(wait_for_child(child.pid))
    await asyncio.sleep(0)
    child.stdin.close()

    assert await asyncio.wait_for(waiting, 30) == 4
    child.returncode = 4
    assert not Path(f"/proc/{child.pid}").exists()


async def test_a_child_that_is_gone_already_is_no_error():
    child = start("")
    child.stdin.close()
    child.wait()

    assert await wait_for_child(child.pid) is None
