"""Children that die with their parent (Linux): a supervisor that is killed leaves no process behind that nobody watches."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int | None = None) -> None:
    """Ask the kernel to SIGKILL this process when the parent's thread that started it ends; kept over `execve`.

    A parent that died before this call sends no signal any more. Hence its pid, when known, is compared afterwards: raises
    ProcessLookupError if this process was already adopted by another.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl(PR_SET_PDEATHSIG): {os.strerror(error)}")
    if parent_pid is not None and os.getppid() != parent_pid:
        raise ProcessLookupError(f"the parent process {parent_pid} is gone")
