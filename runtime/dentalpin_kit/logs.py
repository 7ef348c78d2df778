"""Logs of every process: one JSON object a line, with what the work at hand is about, and without passwords or people.

`configure()` is called once by a process; `bind()` puts request, clinic or module on every line logged inside it, also in tasks
started there. What an exception says is not logged, unless it is known to speak of the machine or of code: it may quote a patient's data.
"""

import contextlib
import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

from dentalpin_kit.problems import DomainError

MAXIMUM_BYTES: Final = 10 * 1024 * 1024
KEPT_FILES: Final = 5
# Their INFO repeats what our own lines say, and their DEBUG quotes rows, statements and messages.
CHATTY: Final = ("alembic", "asyncio", "asyncpg", "httpcore", "httpx", "httpx2", "mcp", "sqlalchemy", "uvicorn")
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
# Their messages name files, addresses, modules and attributes; what a person typed is not among it. DomainError's are written by us.
_OUTSPOKEN: Final = (DomainError, OSError, ImportError, SyntaxError, NameError, AttributeError, NotImplementedError)
_packages: dict[str, str] = {}
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


def add(**fields: object) -> None:
    """Put these fields on what is logged until the innermost `bind` ends: what becomes known on the way, such as the clinic."""
    _context.set({**_context.get(), **{name: str(value) for name, value in fields.items() if value is not None}})


def name_package(package: str, module: str) -> None:
    """Log what this Python package says as `app.modules.<module>`, wherever the package comes from (guide §11)."""
    if package != f"app.modules.{module}":
        _packages[package] = module


def _shown_name(logger: str) -> str:
    """The logger's name as people look for it: a community module's as if it stood beside the official ones."""
    package = logger
    while package:
        if (module := _packages.get(package)) is not None:
            return f"app.modules.{module}{logger[len(package) :]}"
        package = package.rpartition(".")[0]
    return logger


def exception_text(error: BaseException | None) -> str:
    """Types and places of an exception and its causes. Messages only of types whose messages are about code or the machine."""
    parts: list[str] = []
    cause = error
    while cause is not None and len(parts) < 8:
        places = [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(cause.__traceback__)[-25:]]
        name = f"{type(cause).__module__}.{type(cause).__qualname__}".removeprefix("builtins.")
        said = f": {scrub(str(cause))}" if isinstance(cause, _OUTSPOKEN) else _facts(cause)
        parts.append("\n".join([f"{name}{said}", *places]))
        if isinstance(cause, BaseExceptionGroup):
            parts += [exception_text(inner) for inner in cause.exceptions[:4]]
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\ncaused by ".join(parts)


def _facts(error: BaseException) -> str:
    """What a database error says beyond its message, which may quote a row: state, table, constraint."""
    source = getattr(error, "orig", None) or error
    source = getattr(source, "__cause__", None) or source
    known = [str(fact) for name in ("sqlstate", "table_name", "constraint_name") if (fact := getattr(source, name, None))]
    return f" ({', '.join(known)})" if known else ""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, process, bound fields, fields of the line, exception.

    `module` is the one whose code speaks; for a line of the core, the one the work at hand is for. `extra={"fields": {…}}` adds to a line.
    """

    def __init__(self, **fields: str) -> None:
        super().__init__()
        self._fields = fields

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": (name := _shown_name(record.name)),
            "message": scrub(record.getMessage()),
            "pid": record.process,
            **self._fields,
        }
        line |= _context.get()
        if match := _MODULE_LOGGER.match(name):
            line["module"] = match.group(1)
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = exception_text(record.exc_info[1])
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
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
