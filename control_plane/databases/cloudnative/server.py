"""A server that CloudNativePG runs: databases are made and dropped by its resources, everything inside over SQL as on any shared server.

Dumps, copies and restores are the same as elsewhere: a restore takes its place by renaming, which the operator does not notice, since the
database of the declared name is there at every moment.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from control_plane.databases.base import DatabaseRefused, DatabaseServerUnavailable
from control_plane.databases.cloudnative.manifests import Declared, admin_secret, database, resource_name, server
from control_plane.databases.cloudnative.reading import Condition, condition_of_database, condition_of_server
from control_plane.databases.names import database_name, owner_role
from control_plane.databases.shared import SharedServer
from control_plane.databases.statements import drop_database, empty
from control_plane.deployers.base import DeployerUnavailable, RuntimeRefused
from control_plane.deployers.kubernetes.api import Api

PATIENCE_SECONDS: Final = 30.0
"""How long one attempt waits for the operator; the next attempt goes on."""
_LOOK_SECONDS: Final = 0.3


class CloudNativeServer(SharedServer):
    """`api` is the cluster's that carries it."""

    def __init__(self, url: str, api: Api, declared: Declared, *, host: str | None = None, bindir: Path | None = None) -> None:
        super().__init__(url, host=host or declared.service, bindir=bindir)
        self._api, self._declared = api, declared

    async def close(self) -> None:
        await self._api.close()

    async def declare(self) -> None:
        """Have the server as it is declared. The administrator's password is the one of the address."""
        with _speaking():
            # Nobody else's: a Secret of an attempt that died, or a password that was changed, is set to what the platform knows.
            await self._api.apply(admin_secret(self._declared, self._url.password or ""), force=True)
            await self._api.apply(server(self._declared))

    async def withdraw(self) -> None:
        """Take the server away with everything in it; returns once it is gone."""
        with _speaking():
            await self._api.delete("Cluster", self._declared.namespace, self._declared.name)
            await self._api.delete("Secret", self._declared.namespace, self._declared.secret)
        await self._gone("Cluster", self._declared.name)

    async def condition(self) -> Condition:
        """What the operator says of it now. Raises DatabaseServerUnavailable where nobody can be asked."""
        with _speaking():
            return condition_of_server(await self._api.get("Cluster", self._declared.namespace, self._declared.name))

    async def check(self) -> None:
        found = await self.condition()
        if not found.ready:
            raise DatabaseServerUnavailable(found.reason)
        await super().check()

    async def _make_database(self, admin: Any, tenant_id: UUID) -> None:
        name = database_name(tenant_id)
        with _speaking():
            await self._api.apply(database(self._declared, name, owner_role(tenant_id)))
        end = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while True:
            with _speaking():
                found = condition_of_database(await self._api.get("Database", self._declared.namespace, resource_name(name)))
            if found.ready:
                return
            if asyncio.get_running_loop().time() >= end:
                raise DatabaseServerUnavailable(f"The database of tenant {tenant_id} is not there yet. {found.reason}")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _drop_own(self, admin: Any, tenant_id: UUID) -> None:
        name = database_name(tenant_id)
        await empty(admin, name)
        with _speaking():
            await self._api.delete("Database", self._declared.namespace, resource_name(name))
        await self._gone("Database", resource_name(name))
        # A resource that somebody set to retain, or took away, leaves the database.
        await drop_database(admin, name)

    async def _gone(self, kind: str, name: str) -> None:
        end = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while True:
            with _speaking():
                left = await self._api.get(kind, self._declared.namespace, name)
            if left is None:
                return
            if asyncio.get_running_loop().time() >= end:
                said = (left.get("status") or {}).get("message") or "its finalizers are not taken off"
                raise DatabaseServerUnavailable(f"{kind} {name} is still going: {said}. It is looked at again.")
            await asyncio.sleep(_LOOK_SECONDS)

    @asynccontextmanager
    async def _connected(self, database: str = "", *, seconds: float | None = None) -> AsyncIterator[Any]:
        try:
            async with super()._connected(database, seconds=seconds) as connection:
                yield connection
        except (DatabaseServerUnavailable, DatabaseRefused) as error:
            # A role that is not made yet is refused like a wrong password.
            condition = await self.condition()
            if condition.ready:
                raise
            raise DatabaseServerUnavailable(f"The database server {self._declared.name} is not ready: {condition.reason}") from error


@contextmanager
def _speaking() -> Iterator[None]:
    """What the cluster's API server refuses, as a database server would say it."""
    try:
        yield
    except DeployerUnavailable as error:
        raise DatabaseServerUnavailable(error.message) from error
    except RuntimeRefused as error:
        raise DatabaseRefused(error.message) from error
