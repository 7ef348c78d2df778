"""Clusters as the deployer uses them: which one carries a tenant, how it is asked, what it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from control_plane.deployers.kubernetes.api import Api
from control_plane.deployers.kubernetes.facts import ClusterFacts
from control_plane.deployers.kubernetes.watching import Mirror


@dataclass(frozen=True)
class Handle:
    name: str
    facts: ClusterFacts
    api: Api
    mirror: Mirror

    async def close(self) -> None:
        await self.mirror.close()
        await self.api.close()


class Clusters(Protocol):
    async def of(self, tenant_id: UUID) -> Handle:
        """The cluster that carries the tenant. Raises NoCluster where none can."""
        ...

    async def all(self) -> Sequence[Handle]: ...

    async def close(self) -> None: ...
