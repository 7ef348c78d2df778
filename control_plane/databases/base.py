"""What the worker asks of a database server. Every method may be repeated after a crash at any point."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol
from uuid import UUID

from control_plane.deployers.base import DatabaseAddress, RoleVerifiers
from control_plane.errors import DomainError, TemporaryError


class DatabaseServerUnavailable(TemporaryError):
    code: ClassVar[str] = "database_server_unavailable"


class DatabaseRefused(DomainError):
    """The server refuses for good: a privilege or a program is missing. A person must act."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "database_refused"


@dataclass(frozen=True, slots=True)
class Dump:
    """A verified dump in PostgreSQL's custom format."""

    file: Path
    size: int
    sha256: str


class DatabaseServer(Protocol):
    def address(self, tenant_id: UUID) -> DatabaseAddress:
        """Where the tenant's database is, or will be."""
        ...

    async def ensure(self, tenant_id: UUID, verifiers: RoleVerifiers) -> DatabaseAddress:
        """Make the tenant's roles and database unless they exist, and set the roles' passwords to these verifiers."""
        ...

    async def dump(self, tenant_id: UUID, file: Path) -> Dump | None:
        """Dump the whole database to `file` (0600), whole or not at all, readable by pg_restore; None when there is no database."""
        ...

    async def drop(self, tenant_id: UUID) -> None:
        """Drop the database and its roles, ending their connections. Nothing there → nothing."""
        ...
