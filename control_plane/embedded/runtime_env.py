"""The environment that clinics run in: a Python environment of its own, apart from the platform's.

Community modules are installed into it with pip (`<runtime-env>/bin/pip install …`), so a refresh adds and upgrades, and removes nothing.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from control_plane.embedded.layout import ROOT, EmbeddedError, Report

LOCKS = ("build", "runtime")
MARK = ".made-from"
TOOLS = ROOT / ".tools" / "venv" / "bin"
"""Where ./dev keeps uv, and pip for machines uv has no build for."""


def ensure(folder: Path, report: Report) -> None:
    """Make the environment, or bring it to what the locks say. A kill half-way leaves it to be made again. Raises EmbeddedError."""
    wanted = _fingerprint()
    python = folder / "bin" / "python"
    usable = python.exists() and _reads(folder / ".interpreter") == _interpreter()
    if usable and _reads(folder / MARK) == wanted:
        return
    if not usable:
        if folder.exists():
            report("Python has changed: the clinics' environment is made anew. Install community modules into it again.")
            shutil.rmtree(folder)
        report("Making the clinics' Python environment …")
        _run([sys.executable, "-m", "venv", *(["--without-pip"] if TOOLS.exists() else []), str(folder)])
        (folder / ".interpreter").write_text(_interpreter())
    else:
        report("Refreshing the clinics' Python environment …")
    _install(python, "--require-hashes", *(part for lock in LOCKS for part in ("-r", str(ROOT / "requirements" / f"{lock}.txt"))))
    _install(python, "--no-deps", "--no-build-isolation", "-e", str(ROOT))
    (folder / MARK).write_text(wanted)


def check_given(folder: Path) -> None:
    """Raises EmbeddedError unless `folder` can run clinics."""
    if not (folder / "bin" / "dentalpin").exists():
        raise EmbeddedError(
            f"--runtime-env {folder} holds no bin/dentalpin. "
            f"Name an environment that dentalpin-core is installed in, or leave the option out."
        )


def _install(python: Path, *what: str) -> None:
    if (TOOLS / "uv").exists():
        environment = {"UV_LINK_MODE": "copy", **os.environ, "VIRTUAL_ENV": str(python.parents[1]), "UV_NO_PROGRESS": "1"}
        if Path("/etc/ssl/certs/ca-certificates.crt").exists():
            environment.setdefault("UV_SYSTEM_CERTS", "1")
        if not os.access(os.environ.get("HOME", "/nonexistent"), os.W_OK):
            environment.setdefault("UV_CACHE_DIR", str(ROOT / ".tools" / "cache"))
        _run([str(TOOLS / "uv"), "pip", "install", "-q", *what], environment)
        return
    # Outside a checkout that ./dev prepared, the environment brings its own pip.
    pip = [str(TOOLS / "python"), "-m", "pip", "--python", str(python)] if TOOLS.exists() else [str(python), "-m", "pip"]
    _run([*pip, "install", "-q", "--disable-pip-version-check", *what])


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-8:]
        raise EmbeddedError("The clinics' Python environment could not be made:\n" + "\n".join(said))


def _fingerprint() -> str:
    parts = [(ROOT / "requirements" / f"{lock}.txt").read_bytes() for lock in LOCKS]
    parts += [(ROOT / "pyproject.toml").read_bytes(), str(ROOT).encode(), _interpreter().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _interpreter() -> str:
    return f"{Path(sys.executable).resolve()} {sys.version_info.major}.{sys.version_info.minor}"


def _reads(file: Path) -> str | None:
    return file.read_text() if file.exists() else None
