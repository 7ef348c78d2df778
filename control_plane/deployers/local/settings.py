"""How the supervisor is told where things are: its environment, written by whoever starts it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PASSED_ON = (
    "PG_BINDIR",
    "TZ",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "HOME",
    "DENTALPIN_FAULT",
    "DENTALPIN_FAULT_ONCE",
    "DENTALPIN_TODAY",
    "DENTALPIN_LOG_LEVEL",
    # Where traces go is the same for all; each tenant's process says which tenant it is.
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "DENTALPIN_SMTP_URL_FILE",
    "DENTALPIN_MAIL_FROM",
)
IDLE_AFTER = 900.0


@dataclass(frozen=True, slots=True)
class SupervisorSettings:
    folder: Path
    """The platform's data folder (DENTALPIN_DATA)."""
    runtime: Path
    """The `dentalpin` program of the runtime environment (DENTALPIN_RUNTIME_ENV/bin/dentalpin)."""
    host: str
    """Tenants listen here (DENTALPIN_HOST)."""
    public_host: str
    """The name people reach `host` by (DENTALPIN_PUBLIC_HOST)."""
    idle_after: float
    """Seconds; 0 means never (DENTALPIN_IDLE_AFTER)."""
    passed_on: Mapping[str, str]

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        host = environment.get("DENTALPIN_HOST", "127.0.0.1")
        return cls(
            folder=Path(environment["DENTALPIN_DATA"]).absolute(),
            runtime=Path(environment["DENTALPIN_RUNTIME_ENV"]).absolute() / "bin" / "dentalpin",
            host=host,
            public_host=environment.get("DENTALPIN_PUBLIC_HOST") or ("127.0.0.1" if host in ("0.0.0.0", "::") else host),  # noqa: S104 - compared, not bound
            idle_after=float(environment.get("DENTALPIN_IDLE_AFTER", IDLE_AFTER)),
            passed_on={name: environment[name] for name in PASSED_ON if name in environment},
        )

    @property
    def tenants(self) -> Path:
        return self.folder / "tenants"

    @property
    def announcement(self) -> Path:
        """Where the supervisor says how to reach it: {url, token, pid}."""
        return announcement(self.folder)


def announcement(folder: Path) -> Path:
    return folder / "run" / "supervisor.json"
