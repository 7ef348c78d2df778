"""What one process of the platform works with. Built once from the settings; tests build it with their own clock and mailer."""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from control_plane.access.oidc.building import build_provider
from control_plane.access.oidc.provider import Provider
from control_plane.access.passwords import Passwords
from control_plane.access.signing import load_signing_key
from control_plane.access.throttle import Requests
from control_plane.clock import Clock, SystemClock
from control_plane.compliance.loading import Packs
from control_plane.config import Settings
from control_plane.database import Database
from control_plane.databases.base import DatabaseServer
from control_plane.databases.servers import Servers
from control_plane.deployers.base import Closes, Deployer
from control_plane.deployers.local.deployer import LocalDeployer
from control_plane.domains.resolving import Names, SystemNames, build_names
from control_plane.law.shelf import Shelf
from control_plane.mail import Mailer, build_mailer
from control_plane.objects import ObjectStore, open_store
from control_plane.payments.connected import Payments
from control_plane.releases.reading import Catalogues
from control_plane.vault.keyring import KeyRing
from control_plane.vault.vault import Vault
from control_plane.webhooks.sending import Sender
from dentalpin_kit.tokens import SigningKey


class Placed(Protocol):
    """Whatever knows which database server holds a tenant: its row, or one step of work on it."""

    @property
    def database_server(self) -> str | None: ...


@dataclass(frozen=True)
class Platform:
    settings: Settings
    database: Database
    clock: Clock
    key: SigningKey
    shelf: Shelf
    mailer: Mailer
    deployer: Deployer
    sender: Sender
    objects: ObjectStore
    servers: Servers
    vault: Vault
    requests: Requests
    payments: Payments
    catalogues: Catalogues = field(default_factory=Catalogues)
    passwords: Passwords = field(default_factory=Passwords)
    names: Names = field(default_factory=SystemNames)
    """What the domain name system says."""
    oidc: Provider | None = None
    """The identity provider operators may sign in at."""
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from describing the runtime's environment to registering what was found: what was read last counts."""

    @classmethod
    def build(cls, settings: Settings, *, clock: Clock | None = None, deployer: Deployer | None = None) -> "Platform":
        key = load_signing_key(settings.keys, settings.signing_key.get_secret_value() if settings.signing_key else None)
        clock = clock or SystemClock(settings.today)
        database = Database(settings.database_url.get_secret_value(), pool_size=settings.worker_slots + 4)
        vault = Vault(KeyRing(settings), clock.now)
        return cls(
            settings=settings,
            database=database,
            clock=clock,
            key=key,
            shelf=Shelf(),
            mailer=build_mailer(settings),
            deployer=deployer or build_deployer(settings, key, database, vault, clock),
            sender=Sender(settings.webhook_networks),
            objects=open_store(settings),
            servers=Servers(settings, database, vault),
            requests=Requests(database, settings.requests_per_minute),
            vault=vault,
            names=build_names(settings),
            oidc=build_provider(settings),
            payments=Payments.build(settings, database, clock.now),
        )

    @property
    def packs(self) -> Packs:
        """The newest packs this process has heard of, for showing; who plans asks the shelf (`shelf.current`, `shelf.edition`)."""
        return self.shelf.newest.packs

    async def databases_for(self, tenant: Placed) -> DatabaseServer:
        """The server that holds the tenant's database."""
        return await self.servers.named(tenant.database_server)

    async def close(self) -> None:
        if isinstance(self.deployer, Closes):
            await self.deployer.close()
        await self.servers.close()
        await self.database.close()


def build_deployer(settings: Settings, key: SigningKey, database: Database, vault: Vault, clock: Clock) -> Deployer:
    """The one the settings name. Kubernetes' client is loaded where it is used, and nowhere else."""
    if settings.deployer == "local":
        return LocalDeployer(settings, key)
    from control_plane.clusters.clusters import PlacedClusters
    from control_plane.deployers.kubernetes.deployer import KubernetesDeployer

    return KubernetesDeployer(settings, key, PlacedClusters(database, vault, clock.now))
