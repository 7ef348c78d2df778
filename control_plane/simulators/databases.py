"""A database server in memory: each tenant's data is a value, and a dump of it is that value as text."""

import hashlib
import json
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from control_plane.clock import Clock
from control_plane.databases.base import DatabaseRefused, Dump, Dumping, Source
from control_plane.databases.contents import Contents
from control_plane.databases.names import app_role, database_name, login, owner_role
from control_plane.deployers.base import DatabaseAddress, RoleVerifiers


class SimulatedDatabases:
    """`data[tenant]` is what a tenant's database holds: {"schema": the release that migrated it last, "rows": anything}."""

    def __init__(self, clock: Clock) -> None:
        self.data: dict[UUID, dict[str, Any]] = {}
        self.beside: dict[str, dict[str, Any]] = {}
        """What was loaded and not put in place."""
        self._clock = clock

    async def named(self, name: str | None) -> "SimulatedDatabases":
        """Every tenant's server is this one, as `Platform.servers` asks."""
        return self

    def address(self, tenant_id: UUID, serial: int = 0) -> DatabaseAddress:
        roles = (login(owner_role(tenant_id), serial), login(app_role(tenant_id), serial))
        return DatabaseAddress("127.0.0.1", 5432, database_name(tenant_id), *roles, serial)

    async def close(self) -> None:
        """Nothing is held."""

    async def ensure(self, tenant_id: UUID, verifiers: RoleVerifiers, serial: int = 0) -> DatabaseAddress:
        self.data.setdefault(tenant_id, {"schema": None, "rows": {}})
        return self.address(tenant_id, serial)

    async def sessions(self, tenant_id: UUID, serial: int) -> int:
        return 0

    async def close_logins(self, tenant_id: UUID, serial: int) -> None:
        """Nobody signs in here."""

    async def dump(self, tenant_id: UUID, file: Path) -> Dump | None:
        if tenant_id not in self.data:
            return None
        content = _text(self.data[tenant_id])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return Dump(file, len(content), hashlib.sha256(content).hexdigest())

    @asynccontextmanager
    async def dumping(self, tenant_id: UUID) -> AsyncIterator[Dumping | None]:
        held = self.data.get(tenant_id)
        yield None if held is None else Dumping(self._clock.now(), _contents(held), _once(_text(held)))

    async def read_through(self, content: AsyncIterable[bytes]) -> None:
        _read(b"".join([part async for part in content]))

    async def load(self, tenant_id: UUID, database: str, source: Source, *, roles_of: UUID) -> Contents:
        self.beside[database] = _read(b"".join([part async for part in source()]))
        return _contents(self.beside[database])

    async def swap(self, tenant_id: UUID, database: str) -> None:
        if database in self.beside:
            self.data[tenant_id] = self.beside.pop(database)

    async def drop_beside(self, database: str) -> None:
        self.beside.pop(database, None)

    async def drop(self, tenant_id: UUID) -> None:
        self.data.pop(tenant_id, None)


def _text(held: dict[str, Any]) -> bytes:
    return json.dumps(held, sort_keys=True).encode()


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _contents(held: dict[str, Any]) -> Contents:
    digest = hashlib.sha256(json.dumps(held["rows"], sort_keys=True).encode()).hexdigest()
    return Contents({"public.everything": (len(held["rows"]), digest)}, (str(held["schema"]),))


def _read(content: bytes) -> dict[str, Any]:
    try:
        held: dict[str, Any] = json.loads(content)
    except ValueError as error:
        raise DatabaseRefused("The dump is not one of these simulated databases.") from error
    return held
