"""A tenant's secrets, made where they are used: files of 0600 in its folder. The control plane sees SCRAM verifiers only."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from control_plane.deployers.base import DatabaseAddress, RoleVerifiers
from control_plane.deployers.local.environment import secrets_folder
from control_plane.deployers.local.placement import write_private
from control_plane.deployers.scram import scram_verifier

OWNER, APP = "owner", "app"
KEY = "secret.key"
DATA_KEY = "data.key"
"""Seals what the runtime has to read again; unlike the secret key it cannot be made anew."""


def ensure_secrets(tenant: Path, serial: int = 0) -> RoleVerifiers:
    """Make the secrets that are missing, passwords of this serial; the others stay as they are."""
    folder = secrets_folder(tenant)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _ensure(folder / KEY, 48)
    _ensure(folder / DATA_KEY, 48)
    owner, app = (_ensure(folder / password_file(role, serial), 32) for role in (OWNER, APP))
    return RoleVerifiers(owner=scram_verifier(owner), app=scram_verifier(app))


def forget_secrets(tenant: Path, *, keep: int) -> None:
    """Take away the passwords of other serials."""
    folder = secrets_folder(tenant)
    for role in (OWNER, APP):
        for file in folder.glob(f"{role}*.password"):
            if file.name != password_file(role, keep):
                file.unlink(missing_ok=True)


def password_file(role: str, serial: int) -> str:
    return f"{role}.{serial}.password" if serial else f"{role}.password"


def write_addresses(tenant: Path, database: DatabaseAddress) -> None:
    """The URLs the runtime is started with. Raises FileNotFoundError before `ensure_secrets`."""
    folder = secrets_folder(tenant)
    for file, whose, role in (("owner.url", OWNER, database.owner_role), ("app.url", APP, database.app_role)):
        secret = (folder / password_file(whose, database.serial)).read_text(encoding="utf-8").strip()
        credentials = f"{quote(role, safe='')}:{quote(secret, safe='')}"
        host = f"[{database.host}]" if ":" in database.host else database.host
        url = f"postgresql://{credentials}@{host}:{database.port}/{quote(database.name, safe='')}"
        if not (folder / file).exists() or (folder / file).read_text(encoding="utf-8") != url:
            write_private(folder / file, url)


def _ensure(file: Path, bytes_of_entropy: int) -> str:
    """The secret in `file`, made unless it exists. Of two that make it at once, one wins and both read that one."""
    if not file.exists():
        draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        write_private(draft, secrets.token_urlsafe(bytes_of_entropy))
        with suppress(FileExistsError):
            os.link(draft, file)
        draft.unlink()
    return file.read_text(encoding="utf-8").strip()
