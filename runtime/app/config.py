"""Settings of one runtime process, read from its environment and from files named there.

Secrets may be given as a value (`DATABASE_URL`) or as a file (`DATABASE_URL_FILE`); a file keeps them out of process listings.
Only boot, the processor and the CLI ever read the owner's URL: the serving stage is started without it.
"""

from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Self

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MINIMUM_SECRET_LENGTH = 32
MINIMUM_CHARACTERS = 8
"""Different characters in a secret; of 32 random hexadecimal digits one in 25 million has fewer."""
PLACEHOLDERS = ("changeme", "change-me", "change_me", "your-secret", "your_secret", "secret-key-here", "insecure")
"""What examples and generators put where a secret belongs."""


def _from_file(value: SecretStr | None, file: Path | None) -> SecretStr | None:
    if value is None and file is not None:
        return SecretStr(file.read_text(encoding="utf-8").strip())
    return value


def _refuse_weak(name: str, secret: str) -> None:
    """Raise ValueError for a secret somebody could guess: short, of few characters, or copied from an example."""
    advice = "make one with `openssl rand -base64 48`"
    if len(secret) < MINIMUM_SECRET_LENGTH:
        raise ValueError(f"{name} is shorter than {MINIMUM_SECRET_LENGTH} characters; {advice}")
    if len(set(secret)) < MINIMUM_CHARACTERS:
        raise ValueError(f"{name} is made of fewer than {MINIMUM_CHARACTERS} different characters; {advice}")
    if any(word in secret.lower() for word in PLACEHOLDERS):
        raise ValueError(f"{name} looks like the placeholder of an example; {advice}")


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="DENTALPIN_", extra="ignore", populate_by_name=True)

    database_url: SecretStr | None = Field(None, validation_alias="DATABASE_URL")
    database_url_file: Path | None = Field(None, validation_alias="DATABASE_URL_FILE")
    owner_database_url: SecretStr | None = Field(None, validation_alias="OWNER_DATABASE_URL")
    owner_database_url_file: Path | None = Field(None, validation_alias="OWNER_DATABASE_URL_FILE")
    database_pooler_url: SecretStr | None = Field(None, validation_alias="DATABASE_POOLER_URL")
    """The same database and role through a pooler in transaction mode (PgBouncer): requests, handlers and jobs go there. DATABASE_URL
    stays the server's own address, for what keeps a session to itself: locks and notices."""
    database_pooler_url_file: Path | None = Field(None, validation_alias="DATABASE_POOLER_URL_FILE")
    pg_bindir: Path | None = Field(None, validation_alias=AliasChoices("PG_BINDIR", "DENTALPIN_PG_BINDIR"))

    secret_key: SecretStr | None = None
    secret_key_file: Path | None = None
    data_key: SecretStr | None = None
    """Seals what has to be read again (second factors). Without one a key derived from secret_key does, and goes with it."""
    data_key_file: Path | None = None
    trusted_proxies: str = ""
    """Networks of the proxies in front of this runtime, `10.0.0.0/8, 192.0.2.7`: only they are believed who asks through them."""
    smtp_url: SecretStr | None = None
    """smtp://user:password@host:port or smtps://…; without it and without mail_folder this runtime sends no mail."""
    smtp_url_file: Path | None = None
    mail_folder: Path | None = None
    mail_from: str = "DentalPin <no-reply@localhost>"
    storage: Path = Path("storage")
    revision_file: Path | None = None

    host: str = "127.0.0.1"
    port: int = 8000
    control_host: str = "127.0.0.1"
    control_port: int = Field(0, ge=0, le=65535)
    """Where only the platform asks this very process; 0: a port of the moment, which the supervisor is told."""
    listen_fd: int | None = None
    status_fd: int | None = None
    parent_pid: int | None = None
    remover_pid: int | None = None
    keep_old: bool = False
    backup_keep: int = Field(1, ge=0)
    """The newest so many backups of each module stay, whatever their age."""
    backup_days: int | None = Field(None, ge=0)
    """Backups of modules older than this are deleted after a removal; None: never."""
    module_attempts: int = Field(5, ge=1)
    """Failed attempts on one module before it rests until a person acts."""
    migration_lock_timeout: float = Field(3.0, gt=0)
    """Seconds a module's migration waits for a lock before it is rolled back and tried again."""
    migration_statement_timeout: float = Field(1800.0, ge=0)
    """Seconds one statement of a migration, seed or hook may take; 0: no limit."""
    idle_after: float = 0.0
    """Seconds without work after which the process leaves; 0 means never."""
    public_url: str | None = None
    log_file: Path | None = None
    log_level: str = "INFO"

    @field_validator("host", "log_level")
    @classmethod
    def _not_empty(cls, value: str, info: ValidationInfo) -> str:
        if not value:
            raise ValueError(f"{info.field_name} may not be empty")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        for entry in filter(None, map(str.strip, value.split(","))):
            ip_network(entry)
        return value

    @model_validator(mode="after")
    def _read_files(self) -> Self:
        self.database_url = _from_file(self.database_url, self.database_url_file)
        self.database_pooler_url = _from_file(self.database_pooler_url, self.database_pooler_url_file)
        self.owner_database_url = _from_file(self.owner_database_url, self.owner_database_url_file)
        self.secret_key = _from_file(self.secret_key, self.secret_key_file)
        self.data_key = _from_file(self.data_key, self.data_key_file)
        self.smtp_url = _from_file(self.smtp_url, self.smtp_url_file)
        for name, secret in (("DENTALPIN_SECRET_KEY", self.secret_key), ("DENTALPIN_DATA_KEY", self.data_key)):
            if secret is not None:
                _refuse_weak(name, secret.get_secret_value())
        return self

    @property
    def managed(self) -> bool:
        """Whether a platform decides the module set (a revision was given) instead of this database."""
        return self.revision_file is not None

    @property
    def backups(self) -> Path:
        return self.storage / "backups"


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
