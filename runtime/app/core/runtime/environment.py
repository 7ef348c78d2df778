"""What the first stage of `dentalpin serve` reads from its environment, without the settings model: waking must be fast.

`app.config.Settings` reads the same variables for everything that comes later.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from app.core.runtime.errors import SettingMissing

# Whatever could give a serving process the owner's rights, libpq's own variables included.
_OWNER_PREFIXES = ("OWNER_", "DENTALPIN_OWNER_")
_ONLY_FOR_BOOT = frozenset({"DENTALPIN_KEEP_OLD", "DENTALPIN_PREPARED", "PGPASSWORD", "PGPASSFILE", "PGUSER", "PGSERVICE", "PGSERVICEFILE"})


@dataclass(frozen=True)
class Environment:
    database_url: str = field(repr=False)
    owner_database_url: str | None = field(repr=False)
    revision_file: Path | None
    status_fd: int | None
    parent_pid: int | None
    keep_old: bool
    prepared: bool
    """Somebody else booted this database as owner just now (`dentalpin prepare`): this process only serves."""
    report_file: Path | None
    """Where a command that ends leaves why it failed, for whoever started it (Kubernetes' termination message)."""
    log_file: Path | None
    log_level: str

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Self:
        """Raises SettingMissing when a needed variable is absent, or the file it names cannot be read."""
        database_url = _secret(variables, "DATABASE_URL")
        if database_url is None:
            raise SettingMissing(
                "DATABASE_URL (or DATABASE_URL_FILE) is not set: give the clinic's database, with the role that serves requests"
            )
        return cls(
            database_url=database_url,
            owner_database_url=_secret(variables, "OWNER_DATABASE_URL"),
            revision_file=_path(variables, "DENTALPIN_REVISION_FILE"),
            status_fd=_number(variables, "DENTALPIN_STATUS_FD"),
            parent_pid=_number(variables, "DENTALPIN_PARENT_PID"),
            keep_old=_is_on(variables, "DENTALPIN_KEEP_OLD"),
            prepared=_is_on(variables, "DENTALPIN_PREPARED"),
            report_file=_path(variables, "DENTALPIN_REPORT_FILE"),
            log_file=_path(variables, "DENTALPIN_LOG_FILE"),
            log_level=variables.get("DENTALPIN_LOG_LEVEL", "INFO"),
        )


def without_owner(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of the serving stage: nothing in it leads to the owner's credentials."""
    return {name: value for name, value in variables.items() if not name.startswith(_OWNER_PREFIXES) and name not in _ONLY_FOR_BOOT}


def status_fd(variables: Mapping[str, str]) -> int | None:
    """The status channel alone, for reporting that the rest cannot be read."""
    text = variables.get("DENTALPIN_STATUS_FD", "")
    return int(text) if text.isdigit() else None


def _secret(variables: Mapping[str, str], name: str) -> str | None:
    if value := variables.get(name):
        return value
    file = variables.get(f"{name}_FILE")
    if not file:
        return None
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingMissing(f"{name}_FILE={file} cannot be read: {error.strerror}") from error


def _is_on(variables: Mapping[str, str], name: str) -> bool:
    return variables.get(name, "").lower() in {"1", "true", "yes", "on"}


def _path(variables: Mapping[str, str], name: str) -> Path | None:
    value = variables.get(name)
    return Path(value) if value else None


def _number(variables: Mapping[str, str], name: str) -> int | None:
    value = variables.get(name)
    if not value:
        return None
    if not value.isdigit():
        raise SettingMissing(f"{name}={value!r} is not a number")
    return int(value)


def this_environment() -> Environment:
    return Environment.read(os.environ)
