"""The server of each tenant, ready to be administered."""

from control_plane.config import Settings
from control_plane.database import Database
from control_plane.databases.base import DatabaseServer
from control_plane.databases.errors import UnknownServer
from control_plane.databases.models import ServerRow
from control_plane.databases.shared import SharedServer
from control_plane.vault.vault import Vault, place


def secret_context(name: str) -> str:
    """What the administrator's address of this server is sealed for: it opens for no other."""
    return place("database_server", "sealed_url", name)


class Servers:
    """By name, as tenants' rows have it; None is the server the settings name."""

    def __init__(self, settings: Settings, database: Database, vault: Vault) -> None:
        self._settings, self._database, self._vault = settings, database, vault
        self._known: dict[str, tuple[bytes, str | None, SharedServer]] = {}

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
        sealed, host, server = self._known.get(name, (None, None, None))
        if server is None or (sealed, host) != (row.sealed_url, row.host):
            server = self._connected(row)
            self._known[name] = (row.sealed_url, row.host, server)
        return server

    def _connected(self, row: ServerRow) -> SharedServer:
        url = self._vault.open(row.sealed_url, secret_context(row.name)).decode()
        return SharedServer(url, host=row.host, bindir=self._settings.pg_bindir)
