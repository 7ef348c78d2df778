"""The environment of a tenant's runtime: what `dentalpin serve`, and the CLI for the same tenant, are started with.

Secrets are files of the tenant's folder, named here and never written into an environment or onto a command line.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from control_plane.deployers.local.placement import Placement
from control_plane.deployers.local.process import Command
from control_plane.deployers.local.settings import SupervisorSettings

REVISION = "revision.json"


def secrets_folder(tenant: Path) -> Path:
    return tenant / "secrets"


def runtime_environment(tenant: Path, runtime: Path, passed_on: Mapping[str, str]) -> dict[str, str]:
    """What every command of this tenant needs, `tenant` being its folder."""
    secrets = secrets_folder(tenant)
    data_key = secrets / "data.key"
    return {
        "PATH": f"{runtime.parent}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        **passed_on,
        "DATABASE_URL_FILE": str(secrets / "app.url"),
        "OWNER_DATABASE_URL_FILE": str(secrets / "owner.url"),
        "DENTALPIN_SECRET_KEY_FILE": str(secrets / "secret.key"),
        # A folder made before there was one gets it with the next change of its modules.
        **({"DENTALPIN_DATA_KEY_FILE": str(data_key)} if data_key.exists() else {}),
        "DENTALPIN_STORAGE": str(tenant / "storage"),
        "DENTALPIN_MAIL_FOLDER": str(tenant / "mail"),
        "DENTALPIN_REVISION_FILE": str(tenant / REVISION),
    }


def program_of(environment: str | None) -> Path | None:
    """The `dentalpin` of an environment; None for the usual one."""
    return Path(environment) / "bin" / "dentalpin" if environment else None


def serve_command(settings: SupervisorSettings, placement: Placement, *, keep_old: bool) -> Command:
    tenant = settings.tenants / placement.tenant_id
    runtime = program_of(placement.environment) or settings.runtime
    (tenant / "storage").mkdir(mode=0o700, exist_ok=True)
    environment = runtime_environment(tenant, runtime, settings.passed_on) | {
        "DENTALPIN_LOG_FILE": str(tenant / "runtime.log"),
        "DENTALPIN_PUBLIC_URL": public_url(settings.public_host, placement.port),
        "DENTALPIN_IDLE_AFTER": str(settings.idle_after),
        "DENTALPIN_PARENT_PID": str(os.getpid()),
        "OTEL_RESOURCE_ATTRIBUTES": f"dentalpin.tenant={placement.tenant_id}",
    }
    if keep_old:
        environment["DENTALPIN_KEEP_OLD"] = "1"
    return Command((str(runtime), "serve"), environment, tenant)


def public_url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def secrets_of(tenant: Path) -> list[str]:
    """Every secret of a tenant as it may turn up in what a process prints."""
    found = []
    for file in secrets_folder(tenant).glob("*"):
        text = file.read_text(encoding="utf-8").strip()
        found += [text, urlsplit(text).password or ""] if "://" in text else [text]
    return [secret for secret in found if secret]
