"""Fault points: named places at which a test can kill the process or make it fail, without sleeps and without mocks.

`DENTALPIN_FAULT="point[:before|in|after][:kill|error|full|pause]"` arms one point; kill (SIGKILL to the process itself) is the default,
`full` is what a full disk raises.
`DENTALPIN_FAULT_ONCE=<file>` makes it fire once over all processes: whoever creates the file fires.
`DENTALPIN_FAULT=@<file>` reads the same text from a file at each point, so that running processes can be armed one case after the other;
it fires once: whoever renames the file to `<file>.fired` fires. `pause` waits until `<file>.go` exists (beside either file) and takes it
away, so that a test can kill something else at exactly this moment and knows when the process went on.
"""

import errno
import os
import signal
import time
from pathlib import Path
from typing import Final

VARIABLE: Final = "DENTALPIN_FAULT"
ONCE_VARIABLE: Final = "DENTALPIN_FAULT_ONCE"
MOMENTS: Final = ("before", "in", "after")
ACTIONS: Final = ("kill", "error", "full", "pause")


class InjectedFault(RuntimeError):
    """Raised at an armed point whose action is `error`."""


def point(name: str) -> None:
    """Do nothing, unless this very point is armed: then die, wait, or raise InjectedFault or the OSError of a full disk.

    `name` is the full name with its moment, such as `processor.install.migrate.before`.
    """
    armed, file = _armed()
    if not armed:
        return
    wanted, action = _parse(armed)
    if wanted != name or not _first_time(file):
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "pause":
        _wait_for_go(file)
        return
    if action == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    raise InjectedFault(f"fault injected at {name} by {VARIABLE}")


def _armed() -> tuple[str, Path | None]:
    """What is armed, and the file that names it, if a file does."""
    armed = os.environ.get(VARIABLE, "")
    if not armed.startswith("@"):
        return armed, None
    file = Path(armed[1:])
    try:
        return file.read_text(encoding="utf-8").strip(), file
    except FileNotFoundError:
        return "", file


def _parse(armed: str) -> tuple[str, str]:
    name, *options = armed.split(":")
    action = "kill"
    for option in options:
        if option in MOMENTS:
            name = f"{name}.{option}"
        elif option in ACTIONS:
            action = option
        else:
            raise ValueError(f"{VARIABLE}={armed!r}: {option!r} is neither a moment {MOMENTS} nor an action {ACTIONS}")
    return name, action


def _first_time(file: Path | None) -> bool:
    # Written down before the fault fires: a process that is killed cannot do it afterwards.
    try:
        if file is not None:
            file.rename(file.with_name(f"{file.name}.fired"))
        elif marker := os.environ.get(ONCE_VARIABLE):
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except (FileExistsError, FileNotFoundError):
        return False
    return True


def _wait_for_go(file: Path | None) -> None:
    go = Path(f"{file or os.environ[ONCE_VARIABLE]}.go")
    while True:
        try:
            return go.unlink()
        except FileNotFoundError:
            time.sleep(0.01)
