"""Logs of every process: one JSON object a line, with what the work at hand is about, and without passwords.

`configure()` is called once by a process; `bind()` puts request, clinic or module on every line logged inside it, also in tasks
started there.
"""

import contextlib
import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

MAXIMUM_BYTES: Final = 10 * 1024 * 1024
KEPT_FILES: Final = 5
# Their INFO repeats what our own lines say.
_CHATTY: Final = ("alembic", "asyncio", "uvicorn")
_MODULE_LOGGER: Final = re.compile(r"^app\.modules\.([a-z0-9_]+)")
_SECRETS: Final = (
    # user:password@ of any URL; the password may itself contain @, hence the greedy middle.
    (re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@\"']*):[^\s/\"']*@"), r"\1:***@"),
    (re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{8,}"), r"\1***"),
    (
        re.compile(
            r"(?i)\b(password|passwd|pgpassword|secret|token|refresh_token|access_token)(\\?[\"']?\s*[=:]\s*\\?[\"']?)[^\s&,;\"'\\}]+"
        ),
        r"\1\2***",
    ),
)
_context: ContextVar[Mapping[str, str]] = ContextVar("dentalpin_log_context", default={})  # noqa: B039  never mutated, only replaced


def scrub(text: str) -> str:
    """The text without what looks like a secret: passwords in URLs, bearer tokens, `password=…`, `token=…`."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


@contextlib.contextmanager
def bind(**fields: object) -> Iterator[None]:
    """Put these fields (request, clinic, module, tenant, operation …) on every line logged inside; None leaves a field out."""
    known = {name: str(value) for name, value in fields.items() if value is not None}
    token = _context.set({**_context.get(), **known})
    try:
        yield
    finally:
        _context.reset(token)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, process, bound fields, exception."""

    def __init__(self, **fields: str) -> None:
        super().__init__()
        self._fields = fields

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": scrub(record.getMessage()),
            "pid": record.process,
            **self._fields,
        }
        if match := _MODULE_LOGGER.match(record.name):
            line["module"] = match.group(1)
        line |= _context.get()
        if record.exc_info:
            line["exception"] = scrub(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = scrub(record.stack_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class SharedRotatingFileHandler(RotatingFileHandler):
    """A rotating file that two processes of one tenant may write during a hand-over: whoever finds it renamed opens the new one."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path, maxBytes=MAXIMUM_BYTES, backupCount=KEPT_FILES, encoding="utf-8")

    def _open(self) -> Any:
        # Logs name people's requests: not for other accounts of the machine.
        os.close(os.open(self.baseFilename, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        return super()._open()

    def emit(self, record: logging.LogRecord) -> None:
        self._follow_rename()
        super().emit(record)

    def _follow_rename(self) -> None:
        if self.stream is None:
            return
        try:
            there = Path(self.baseFilename).stat()
            mine = os.fstat(self.stream.fileno())
            if (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
                return
        except FileNotFoundError:
            pass
        self.stream.close()
        self.stream = self._open()


def configure(*, level: str = "INFO", file: Path | None = None, **fields: str) -> None:
    """Send every logger to the file, or to stderr without one, as JSON lines. Replaces what was configured before."""
    handler: logging.Handler = SharedRotatingFileHandler(file) if file is not None else logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(**fields))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
