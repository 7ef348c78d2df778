"""/v1/clusters: where clinics may run, on a platform that deploys on Kubernetes."""

from fastapi import APIRouter
from sqlalchemy import select

from control_plane.access.requires import Guards
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.clusters import service
from control_plane.clusters.models import ClusterRow
from control_plane.clusters.schemas import ClusterChange, ClusterList, ClusterOut, NewCluster

router = APIRouter(prefix="/clusters", tags=["clusters"], route_class=PlatformRoute, dependencies=[Guards("clusters")])


@router.get("")
async def list_clusters(session: Session, actor: CurrentActor) -> ClusterList:
    """All clusters with what they hold. There are few of them: one answer has them all."""
    held = await service.clinics_by_cluster(session)
    rows = await session.scalars(select(ClusterRow).order_by(ClusterRow.name))
    return ClusterList(items=[ClusterOut.of(row, held.get(row.name, 0)) for row in rows])


@router.post("", status_code=201)
async def register_cluster(new: NewCluster, session: Session, actor: CurrentActor, platform: ThisPlatform) -> ClusterOut:
    """Register a cluster. It is tried first: it must answer the kubeconfig's account."""
    return ClusterOut.of(await service.register(session, platform, new, actor=actor), 0)


@router.get("/{name}")
async def get_cluster(name: str, session: Session, actor: CurrentActor) -> ClusterOut:
    """One cluster, and how many clinics it holds."""
    return ClusterOut.of(await service.find(session, name), (await service.clinics_by_cluster(session)).get(name, 0))


@router.patch("/{name}")
async def change_cluster(name: str, change: ClusterChange, session: Session, actor: CurrentActor, platform: ThisPlatform) -> ClusterOut:
    """Change what a cluster takes, how it is reached, or what manifests are rendered with: clinics follow with their next change."""
    row = await service.change(session, platform, name, change, actor=actor)
    return ClusterOut.of(row, (await service.clinics_by_cluster(session)).get(name, 0))


@router.delete("/{name}")
async def remove_cluster(name: str, session: Session, actor: CurrentActor, platform: ThisPlatform) -> ClusterOut:
    """Take out a cluster that holds no clinic any more, not even a deleted one's name."""
    return ClusterOut.of(await service.remove(session, platform, name, actor=actor), 0)
