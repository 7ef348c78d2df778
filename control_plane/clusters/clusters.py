"""The deployer's handles on clusters, made of rows; a tenant is placed by the first question about it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import yaml
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.clusters.errors import UnknownCluster
from control_plane.clusters.models import ClinicPlace, ClusterRow
from control_plane.clusters.placing import Candidate, place
from control_plane.clusters.service import clinics_by_cluster, secret_context
from control_plane.database import Database
from control_plane.deployers.kubernetes.api import Api
from control_plane.deployers.kubernetes.facts import ClusterFacts
from control_plane.deployers.kubernetes.handles import Handle
from control_plane.deployers.kubernetes.watching import Mirror
from control_plane.tenants.models import Tenant
from control_plane.vault.vault import Vault

Print = tuple[bytes | None, str]


class PlacedClusters:
    """By the rows as they are now: a changed kubeconfig or fact makes another handle, and ends the one before."""

    def __init__(self, database: Database, vault: Vault, now: Callable[[], datetime]) -> None:
        self._database, self._vault, self._now = database, vault, now
        self._handles: dict[str, tuple[Print, Handle]] = {}
        self._places: dict[UUID, str] = {}
        self._making: Final = asyncio.Lock()

    async def of(self, tenant_id: UUID) -> Handle:
        """Raises NoCluster where a tenant cannot be placed."""
        name = self._places.get(tenant_id)
        async with self._database.transaction() as session:
            if name is None:
                name = await self._place(session, tenant_id)
            row = await session.get(ClusterRow, name)
        if row is None:
            raise UnknownCluster(name)
        self._places[tenant_id] = name
        return await self._handle(row)

    async def all(self) -> Sequence[Handle]:
        async with self._database.transaction() as session:
            rows = list(await session.scalars(select(ClusterRow).order_by(ClusterRow.name)))
        return [await self._handle(row) for row in rows]

    async def close(self) -> None:
        handles, self._handles = self._handles, {}
        for _, handle in handles.values():
            await handle.close()

    async def _place(self, session: AsyncSession, tenant_id: UUID) -> str:
        """Rows of clusters are locked, so that none takes more than it holds."""
        known = await session.get(ClinicPlace, tenant_id)
        if known is not None:
            return known.cluster
        rows = list(await session.scalars(select(ClusterRow).order_by(ClusterRow.name).with_for_update()))
        known = await session.get(ClinicPlace, tenant_id)
        if known is not None:
            return known.cluster
        tenant = await session.get_one(Tenant, tenant_id)
        held = await clinics_by_cluster(session)
        chosen = place(tenant.region, [Candidate(row.name, row.region, row.capacity, held.get(row.name, 0), row.accepting) for row in rows])
        session.add(ClinicPlace(tenant_id=tenant_id, cluster=chosen.name, placed_at=self._now()))
        await session.flush()
        return chosen.name

    async def _handle(self, row: ClusterRow) -> Handle:
        mark = (row.sealed_kubeconfig, repr(sorted(row.facts.items())))
        async with self._making:
            known, handle = self._handles.get(row.name, (None, None))
            if handle is not None and known == mark:
                return handle
            if handle is not None:
                await handle.close()
            made = open_cluster(row.name, ClusterFacts.model_validate(row.facts), self._kubeconfig(row))
            self._handles[row.name] = (mark, made)
            return made

    def _kubeconfig(self, row: ClusterRow) -> Mapping[str, Any] | None:
        if row.sealed_kubeconfig is None:
            return None
        found: Mapping[str, Any] = yaml.safe_load(self._vault.open(row.sealed_kubeconfig, secret_context(row.name)))
        return found


def open_cluster(name: str, facts: ClusterFacts, kubeconfig: Mapping[str, Any] | None) -> Handle:
    api = Api(name, kubeconfig)
    return Handle(name, facts, api, Mirror(api))
