"""A child started before `execve` and still ours: reaped here, or it would stay a zombie for as long as the process serves."""

import asyncio
import os


async def wait_for_child(pid: int) -> int | None:
    """The exit status of the child (negative: the signal that ended it) once it has ended; None if it is no child of this process."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        # Ended before it could be watched: only a zombie is left, or nothing.
        return _reap(pid)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(fd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
    return _reap(pid)


def _reap(pid: int) -> int | None:
    try:
        _, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status)
