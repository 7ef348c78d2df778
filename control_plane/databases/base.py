"""What the worker asks of a database server. Every method may be repeated after a crash at any point."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable
from uuid import UUID

from control_plane.databases.contents import Contents
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


Source = Callable[[], AsyncGenerator[bytes, None]]
"""Opens a dump for reading from its beginning; closed where its reader has had enough."""


@dataclass(frozen=True)
class Dumping:
    """A dump in PostgreSQL's custom format while it is made; `contents` is what the same snapshot holds."""

    taken_at: datetime
    contents: Contents
    content: AsyncIterator[bytes]
    """To be read to its end: only then is it known to be whole. Raises DatabaseServerUnavailable, DatabaseRefused."""


@runtime_checkable
class KnowsSchema(Protocol):
    """A server that can say whether a release changed anything in a tenant's database."""

    async def schema(self, tenant_id: UUID) -> list[str]:
        """The migrations applied last and the version of each module (contents.schema_of)."""
        ...


@runtime_checkable
class Declares(Protocol):
    """A server that is run for us as it is declared."""

    async def declare(self) -> None:
        """Have it as it is declared. Raises DatabaseServerUnavailable, DatabaseRefused."""
        ...

    async def withdraw(self) -> None:
        """Take it away with everything in it. Raises the same."""
        ...


class DatabaseServer(Protocol):
    def address(self, tenant_id: UUID, serial: int = 0) -> DatabaseAddress:
        """Where the tenant's database is, or will be, and who signs in there with the passwords of this serial."""
        ...

    async def ensure(self, tenant_id: UUID, verifiers: RoleVerifiers, serial: int = 0) -> DatabaseAddress:
        """Make the tenant's roles and database unless they exist, and set this serial's passwords to these verifiers.

        Those of the serial before stay good until `close_logins`.
        """
        ...

    async def sessions(self, tenant_id: UUID, serial: int) -> int:
        """How many connections signed in by the other turn's passwords than this serial's."""
        ...

    async def close_logins(self, tenant_id: UUID, serial: int) -> None:
        """Let nobody in any more but by this serial's passwords, and end the connections of others."""
        ...

    async def dump(self, tenant_id: UUID, file: Path) -> Dump | None:
        """Dump the whole database to `file` (0600), whole or not at all, readable by pg_restore; None when there is no database."""
        ...

    def dumping(self, tenant_id: UUID) -> AbstractAsyncContextManager[Dumping | None]:
        """A dump of the whole database as a stream; None when there is no database."""
        ...

    async def read_through(self, content: AsyncIterable[bytes]) -> None:
        """Have every row of a dump read and thrown away. Raises DatabaseServerUnavailable where it is no whole dump."""
        ...

    async def load(self, tenant_id: UUID, database: str, source: Source, *, roles_of: UUID) -> Contents:
        """Make a database of this name anew from a dump, beside the tenant's own and owned by its roles; what it holds then.

        `source` opens the dump, from its beginning each time; `roles_of` is the tenant it was made of.
        """
        ...

    async def swap(self, tenant_id: UUID, database: str) -> None:
        """Put what was loaded beside it in the place of the tenant's own database, which is dropped. Done already → nothing."""
        ...

    async def drop_beside(self, database: str) -> None:
        """Drop what was loaded under this name. Nothing there → nothing."""
        ...

    async def drop(self, tenant_id: UUID) -> None:
        """Drop the database and its roles, ending their connections. Nothing there → nothing."""
        ...
