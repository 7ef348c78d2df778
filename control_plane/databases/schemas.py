"""Database servers as the API takes and shows them. The administrator's address goes in and never comes out."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator, model_validator
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from control_plane.databases.cloudnative.manifests import Declared
from control_plane.databases.models import ServerRow

Region = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
Proof = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:_-]{1,253}$")]


def _libpq(url: SecretStr | None) -> SecretStr | None:
    if url is None:
        return None
    try:
        parsed = make_url(url.get_secret_value())
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or parsed.get_backend_name() != "postgresql" or not parsed.host or not parsed.username:
        # The value holds a password: it is not repeated.
        raise ValueError("must be postgresql://role:password@host:port/database")
    return url


class NewServer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
    region: Region
    """Where it stands, in the words of the packs (`eu-central`, `eu-west-fr-hds`)."""
    proofs: Annotated[list[Proof], Field(max_length=20)] = []
    """What its host can show that laws ask for: certifications and contracts (`HDS-2024`, `BAA`)."""
    capacity: Annotated[int, Field(ge=1, le=100_000)] = 300
    host: Host | None = None
    """Its address as runtimes reach it, where it differs from the administrator's."""
    admin_url: SecretStr | None = None
    """Of a role with CREATEROLE and CREATEDB: `postgresql://role:password@host:port/database`."""
    cloudnativepg: Declared | None = None
    """Instead of `admin_url`: have CloudNativePG run the server on a registered cluster."""

    _checked = field_validator("admin_url")(_libpq)

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.admin_url is None) == (self.cloudnativepg is None):
            raise ValueError("give `admin_url` of a server that is there, or `cloudnativepg` to have one run, and not both")
        return self


class ServerChange(BaseModel):
    """What is given is changed. The region of a server that holds tenants stays: their data does not move by being renamed."""

    model_config = ConfigDict(extra="forbid")

    proofs: Annotated[list[Proof], Field(max_length=20)] | None = None
    capacity: Annotated[int, Field(ge=1, le=100_000)] | None = None
    accepting: bool | None = None
    host: Host | None = None
    admin_url: SecretStr | None = None

    _checked = field_validator("admin_url")(_libpq)


class ServerOut(BaseModel):
    name: str | None
    """Null: the server the environment names."""
    region: str | None
    """Null: nobody said where it stands, so residency is its operator's to answer for."""
    proofs: list[str]
    capacity: int | None
    tenants: int
    accepting: bool
    host: str | None
    cloudnativepg: Declared | None = None
    """How it is declared, where CloudNativePG runs it."""
    created_at: datetime | None

    @classmethod
    def of(cls, row: ServerRow, tenants: int) -> "ServerOut":
        return cls(
            name=row.name,
            region=row.region,
            proofs=row.proofs,
            capacity=row.capacity,
            tenants=tenants,
            accepting=row.accepting,
            host=row.host,
            cloudnativepg=Declared.model_validate(row.declared) if row.declared is not None else None,
            created_at=row.created_at,
        )


class ConditionOut(BaseModel):
    ready: bool
    reason: str
    """What keeps it from being used, for a person to act on."""


class ServerList(BaseModel):
    own: ServerOut
    """The one the environment names."""
    items: list[ServerOut]
