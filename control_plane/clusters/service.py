"""The clusters' rows. In the caller's transaction."""

from typing import Any

import yaml
from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.audit import service as audit
from control_plane.clusters.errors import ClusterInUse, ClusterNameTaken, ClusterUnusable, UnknownCluster
from control_plane.clusters.models import ClinicPlace, ClusterRow
from control_plane.clusters.schemas import ClusterChange, NewCluster
from control_plane.deployers.base import DeployerUnavailable, RuntimeRefused
from control_plane.platform import Platform
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState
from control_plane.vault.vault import place as secret_place


def secret_context(name: str) -> str:
    """What a kubeconfig is sealed for: it opens for no other cluster."""
    return secret_place("cluster", "sealed_kubeconfig", name)


async def clinics_by_cluster(session: AsyncSession) -> dict[str, int]:
    counted = (
        select(ClinicPlace.cluster, func.count())
        .join(Tenant, Tenant.id == ClinicPlace.tenant_id)
        .where(Tenant.state != TenantState.DELETED)
        .group_by(ClinicPlace.cluster)
    )
    return {row[0]: row[1] for row in await session.execute(counted)}


async def find(session: AsyncSession, name: str, *, lock: bool = False) -> ClusterRow:
    """Raises UnknownCluster."""
    row = await session.get(ClusterRow, name, with_for_update=lock)
    if row is None:
        raise UnknownCluster(name)
    return row


async def register(session: AsyncSession, platform: Platform, new: NewCluster, *, actor: Actor) -> ClusterRow:
    """Write a cluster's row, once it answered. Raises ClusterNameTaken, ClusterUnusable."""
    if await session.get(ClusterRow, new.name) is not None:
        raise ClusterNameTaken(new.name)
    await _try(new.name, new.kubeconfig)
    now = platform.clock.now()
    row = ClusterRow(
        name=new.name,
        region=new.region,
        capacity=new.capacity,
        accepting=True,
        facts=new.facts.model_dump(mode="json"),
        sealed_kubeconfig=_sealed(platform, new.name, new.kubeconfig),
        created_at=now,
    )
    session.add(row)
    await session.flush()
    audit.record(session, actor, "cluster.registered", at=now, cluster=row.name, region=row.region)
    return row


async def change(session: AsyncSession, platform: Platform, name: str, wanted: ClusterChange, *, actor: Actor) -> ClusterRow:
    """Change what is given. Raises UnknownCluster, ClusterUnusable."""
    row = await find(session, name, lock=True)
    given = wanted.model_dump(mode="json", exclude_none=True, exclude={"kubeconfig"})
    for field, value in given.items():
        setattr(row, field, value)
    if wanted.kubeconfig is not None:
        await _try(name, wanted.kubeconfig)
        row.sealed_kubeconfig = _sealed(platform, name, wanted.kubeconfig)
    changed = sorted(given) + (["kubeconfig"] if wanted.kubeconfig is not None else [])
    audit.record(session, actor, "cluster.changed", at=platform.clock.now(), cluster=name, changed=changed)
    await session.flush()
    return row


async def remove(session: AsyncSession, platform: Platform, name: str, *, actor: Actor) -> ClusterRow:
    """Raises UnknownCluster, ClusterInUse."""
    row = await find(session, name, lock=True)
    named = await session.scalar(select(func.count()).select_from(ClinicPlace).where(ClinicPlace.cluster == name))
    if named:
        raise ClusterInUse(name, named)
    await session.delete(row)
    audit.record(session, actor, "cluster.removed", at=platform.clock.now(), cluster=name)
    await session.flush()
    return row


def _sealed(platform: Platform, name: str, kubeconfig: SecretStr | None) -> bytes | None:
    return platform.vault.seal(kubeconfig.get_secret_value().encode(), secret_context(name)) if kubeconfig else None


async def _try(name: str, kubeconfig: SecretStr | None) -> None:
    """Raises ClusterUnusable, which repeats nothing of the kubeconfig."""
    # The client's library is loaded where clinics run on Kubernetes, and nowhere else.
    from control_plane.deployers.kubernetes.api import Api

    config: Any = yaml.safe_load(kubeconfig.get_secret_value()) if kubeconfig else None
    try:
        async with Api(name, config) as api:
            await api.get("Namespace", None, "kube-system")
    except (DeployerUnavailable, RuntimeRefused) as error:
        raise ClusterUnusable(error.message) from error
