"""Settings of the platform's processes (API, worker, command line), read from the environment."""

import json
import re
from datetime import date
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="DENTALPIN_", extra="ignore", populate_by_name=True)

    database_url: SecretStr = Field(validation_alias=AliasChoices("DATABASE_URL", "database_url"))
    """The platform's own database."""
    tenant_database_admin_url: SecretStr | None = Field(
        None, validation_alias=AliasChoices("TENANT_DATABASE_ADMIN_URL", "tenant_database_admin_url")
    )
    """A role with CREATEROLE and CREATEDB on the server that holds the tenants' databases; absent: this process creates none."""
    tenant_database_host: str | None = None
    """The server's address as runtimes reach it, where it differs from the administrator's."""
    tenant_database_region: str | None = None
    """Where that server stands, in the words of the packs (`eu-central`); absent: nobody checks residency for it."""
    tenant_database_proofs: list[str] = []
    """What its host can show that laws ask for (`["HDS-2024"]`)."""
    tenant_database_capacity: int = Field(300, ge=1)
    """How many tenants it takes once it has a region."""
    data: Path = Path("var")
    runtime_env: Path | None = None
    """The environment whose `bin/dentalpin` is the release to deploy; default <data>/runtime-env."""
    pg_bindir: Path | None = Field(None, validation_alias=AliasChoices("PG_BINDIR", "DENTALPIN_PG_BINDIR", "pg_bindir"))

    public_url: str = Field("http://127.0.0.1:8000", validation_alias=AliasChoices("PUBLIC_URL", "public_url"))
    host: str = "127.0.0.1"
    port: int = 8000
    listen_fd: int | None = None
    parent_pid: int | None = None
    log_file: Path | None = None
    log_level: str = "INFO"

    today: date | None = None
    """Fixes the calendar day by which law is applied (tests, demonstrations)."""
    deployer: Literal["local", "kubernetes"] = "local"
    runtime_image: str | None = None
    """On Kubernetes: the image of releases that were registered from a folder (the platform's own, as its chart sets it)."""
    runtime_registry: SecretStr | None = None
    """On Kubernetes: what nodes pull the runtime's images with, where they cannot by themselves; a docker configuration, as JSON."""
    names_file: Path | None = None
    """A file that is asked instead of the domain name system (tests, demonstrations)."""
    mail_folder: Path | None = None
    smtp_url: SecretStr | None = None
    """smtp://user:password@host:port or smtps://…; absent: mails are files in `mail_folder`."""
    operators_mail: str | None = None
    """Where the platform's operators read of campaigns that need them; absent: nothing is mailed to them."""
    operators_locale: str = "en"
    mail_from: str = "DentalPin <no-reply@localhost>"

    signing_key: SecretStr | None = None
    """The platform's private Ed25519 key where somebody else keeps it; absent: keys/platform-signing.key, made here."""
    operator_key: SecretStr | None = None
    """The first operator key where somebody else keeps it; absent: keys/operator.key, made here."""
    vault_keys: SecretStr | None = None
    """The vault's ring where somebody else keeps it: `name:key,name:key`, newest first; absent: keys/vault.json, made here."""
    webhook_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Networks inside that webhooks may reach, as `10.1.2.0/24,192.0.2.7/32`; without them only the internet, and only by https."""

    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Networks of the proxies in front of this platform, `10.0.0.0/8,192.0.2.7`: only they are believed who asks through them. Without
    them everybody who comes through one proxy shares the limits on attempts."""

    signup_card: Literal["optional", "required"] = "optional"
    """Whether a clinic that signs up may try without a card, where cards can be taken and the tariff has a trial."""

    oidc_issuer: str | None = None
    """The identity provider operators may sign in at: https, or http on loopback; absent: passwords only."""
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    """Absent, and no file either: a public client, which PKCE protects."""
    oidc_client_secret_file: Path | None = None
    oidc_second_factor: Literal["said", "always"] = "said"
    """`said`: the provider's token has to say that a second factor was asked for (`amr`); `always`: it always asks, and need not say so."""

    requests_per_minute: int = Field(6000, ge=20)
    """How many requests of the API one caller may send, over all processes."""

    worker_slots: int = Field(4, ge=1)
    lease_seconds: float = Field(10.0, gt=0)
    """How long a worker that went silent keeps its tenant; renewed at a third of it."""
    reconcile_seconds: float = Field(900.0, gt=0)
    """How often desired and observed are compared for each tenant by itself; a survey of all of them, every 15 s, has those that differ
    compared at once."""
    object_store: str | None = None
    """file:///a/folder or s3://bucket/prefix, for backups and exports; absent: the folder `objects` under `data`."""
    object_store_endpoint: str | None = None
    """Of an S3-compatible service that is not Amazon's."""
    object_store_region: str | None = None
    object_store_key_id: str | None = None
    """With `object_store_secret`; absent: the AWS_… variables and the machine's own role."""
    object_store_secret: SecretStr | None = None
    release_minimum_age_hours: int = Field(0, ge=0)
    """How long a release of the stable channel is known before a new clinic gets it or a campaign may start with it."""
    backup_every_hours: Literal[1, 2, 3, 4, 6, 8, 12, 24] = 24
    """How often tenants are backed up that nobody set otherwise."""
    backups_at_once: int = Field(2, ge=1)
    backup_checks: int = Field(3, ge=0)
    """At least so many backups are restored every night to see whether they can be; one tenant in a hundred, where that is more."""
    deletion_undo_days: int = Field(14, ge=0)
    """How long a deletion can be undone; the clinic is closed meanwhile and nothing of it is lost. 0: not at all."""
    final_dump_days: int = Field(90, ge=1)
    """How long the last copy of a deleted tenant is kept at least; the law of its country may ask for longer."""
    stripe_key: SecretStr | None = Field(None, validation_alias=AliasChoices("DENTALPIN_STRIPE_KEY", "STRIPE_SECRET_KEY", "stripe_key"))
    """The secret key of the account clinics pay to; absent, and no file either: nobody can pay by card."""
    stripe_key_file: Path | None = None
    stripe_webhook_secret: SecretStr | None = None
    """Of the endpoint `/v1/payments/webhooks/stripe`; absent, and no file either: events are read each night only."""
    stripe_webhook_secret_file: Path | None = None
    stripe_url: str | None = None
    """Another address than Stripe's own: the double's, for demonstrations and tests. Everything that is shown says so."""
    bank_account: str | None = None
    """What invoices say about where to pay: name, IBAN, BIC, one a line; absent: nobody is offered to pay by bank transfer."""
    invoice_issuer: str = "DentalPin"
    """Name, address and tax id of whoever sends the invoices for bank transfers, one a line."""
    invoice_tax_percent: Decimal = Field(Decimal(0), ge=0, lt=100, decimal_places=2)
    """What is added to invoices for bank transfers."""
    invoice_due_days: int = Field(14, ge=1)
    """How long after its date an invoice for a bank transfer is to be paid."""
    export_days: int = Field(14, ge=1)
    """How long an export that was asked for can be downloaded."""

    @field_validator("runtime_registry")
    @classmethod
    def _docker_configuration(cls, value: SecretStr | None) -> SecretStr | None:
        try:
            held = json.loads(value.get_secret_value()) if value else {"auths": {}}
        except ValueError:
            held = None
        if not isinstance(held, dict) or not isinstance(held.get("auths"), dict):
            # The value holds passwords: it is not repeated.
            raise ValueError(
                'DENTALPIN_RUNTIME_REGISTRY is a docker configuration: {"auths": {"registry.example": {"auth": "…"}}}'
            ) from None
        return value

    @field_validator("operator_key")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"dpk_[A-Za-z0-9_-]{40,200}", value.get_secret_value()):
            raise ValueError(
                "an operator key is `dpk_` and at least 40 letters and digits; `python -m control_plane.access.new_secrets` makes one"
            )
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _not_in_the_clear(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"https://[^/]|http://(localhost|127\.0\.0\.1|\[::1\])([:/]|$)", value):
            raise ValueError(
                "the identity provider's issuer is an https address (http on this machine only), as its own description says it"
            )
        return value

    @field_validator("webhook_networks", "trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @property
    def environment(self) -> Path:
        return self.runtime_env or self.data / "runtime-env"

    @property
    def mails(self) -> Path:
        return self.mail_folder or self.data / "mail"

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    @property
    def first_key_file(self) -> Path:
        """The file that holds the first operator key (0600)."""
        return self.keys / "operator.key"

    @property
    def backups(self) -> Path:
        return self.data / "backups"


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
