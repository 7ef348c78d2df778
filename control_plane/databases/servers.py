"""The server of each tenant, ready to be administered."""

from typing import Any

import yaml
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.clusters.errors import UnknownCluster
from control_plane.clusters.models import ClusterRow
from control_plane.config import Settings
from control_plane.database import Database
from control_plane.databases.base import DatabaseServer
from control_plane.databases.errors import UnknownServer
from control_plane.databases.models import ServerRow
from control_plane.databases.shared import SharedServer
from control_plane.deployers.base import Closes
from control_plane.vault.vault import Vault, place


def secret_context(name: str) -> str:
    """What the administrator's address of this server is sealed for: it opens for no other."""
    return place("database_server", "sealed_url", name)


def cluster_context(name: str) -> str:
    """What a kubeconfig is sealed for (clusters.service.secret_context, which is not importable from here)."""
    return place("cluster", "sealed_kubeconfig", name)


class Servers:
    """By name, as tenants' rows have it; None is the server the settings name."""

    def __init__(self, settings: Settings, database: Database, vault: Vault) -> None:
        self._settings, self._database, self._vault = settings, database, vault
        self._known: dict[str, tuple[Any, SharedServer]] = {}

    @property
    def own(self) -> SharedServer:
        """The server of the environment. Raises ValueError when the settings name none."""
        url = self._settings.tenant_database_admin_url
        if url is None:
            raise ValueError(
                "TENANT_DATABASE_ADMIN_URL is not set: name a role with CREATEROLE and CREATEDB on the tenants' PostgreSQL server"
            )
        return SharedServer(url.get_secret_value(), host=self._settings.tenant_database_host, bindir=self._settings.pg_bindir)

    async def named(self, name: str | None) -> DatabaseServer:
        """Raises UnknownServer; ValueError where the settings name no server and `name` is None."""
        if name is None:
            return self.own
        async with self._database.transaction() as session:
            row = await session.get(ServerRow, name)
            if row is None:
                raise UnknownServer(name)
            kubeconfig = await self._kubeconfig(session, row)
        return await self._made(row, kubeconfig)

    async def of(self, session: AsyncSession, row: ServerRow) -> SharedServer:
        """The server of a row as it is in this session, written or not."""
        return await self._made(row, await self._kubeconfig(session, row))

    async def close(self) -> None:
        known, self._known = self._known, {}
        for _, server in known.values():
            await _close(server)

    async def _made(self, row: ServerRow, kubeconfig: bytes | None) -> SharedServer:
        mark = (row.sealed_url, row.host, row.declared, kubeconfig)
        known, server = self._known.get(row.name, (None, None))
        if server is None or known != mark:
            if server is not None:
                await _close(server)
            server = self._connected(row, kubeconfig)
            self._known[row.name] = (mark, server)
        return server

    def _connected(self, row: ServerRow, kubeconfig: bytes | None) -> SharedServer:
        url = self._vault.open(row.sealed_url, secret_context(row.name)).decode()
        if row.declared is None:
            return SharedServer(url, host=row.host, bindir=self._settings.pg_bindir)
        # The client's library is loaded where databases run on Kubernetes, and nowhere else.
        from control_plane.databases.cloudnative.manifests import Declared
        from control_plane.databases.cloudnative.server import CloudNativeServer
        from control_plane.deployers.kubernetes.api import Api

        declared = Declared.model_validate(row.declared)
        opened = self._vault.open(kubeconfig, cluster_context(declared.cluster)) if kubeconfig is not None else None
        api = Api(declared.cluster, yaml.safe_load(opened) if opened is not None else None)
        return CloudNativeServer(url, api, declared, host=row.host, bindir=self._settings.pg_bindir)

    async def _kubeconfig(self, session: AsyncSession, row: ServerRow) -> bytes | None:
        """Sealed, of the cluster that carries it; None for one the platform itself runs in. Raises UnknownCluster."""
        if row.declared is None:
            return None
        cluster = await session.get(ClusterRow, row.declared["cluster"])
        if cluster is None:
            raise UnknownCluster(row.declared["cluster"])
        return cluster.sealed_kubeconfig


async def _close(server: SharedServer) -> None:
    if isinstance(server, Closes):
        await server.close()
