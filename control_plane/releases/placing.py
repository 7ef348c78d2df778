"""Which tenant is carried out, and with which release's environment: the facts a deployer needs beside the revision."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.deployers.base import Need, Placement
from control_plane.domains import service as domains
from control_plane.releases import service
from control_plane.revisions.models import Revision
from control_plane.tenants.models import Tenant


async def placement_of(session: AsyncSession, tenant: Tenant, revision: Revision) -> Placement:
    """The placement for carrying out `revision`: every deployer's `apply` and `rehearse` is called with one made here."""
    release = await service.find(session, revision.release_id)
    return Placement(
        tenant.id,
        tenant.slug,
        tenant.name,
        await service.environment_of(session, revision.release_id),
        domains=await domains.verified_of(session, tenant.id),
        needs=needs_of(release.document if release else {}, [module["name"] for module in revision.document["modules"]]),
    )


def needs_of(description: Mapping[str, Any], modules: Sequence[str]) -> tuple[Need, ...]:
    """What these modules of a release declare that they reach, each once. Pure."""
    declared = description.get("modules") or {}
    told = [need for name in modules for need in (declared.get(name) or {}).get("needs") or ()]
    return tuple(sorted({Need(need["to"], int(need["port"]), need.get("protocol") or "TCP") for need in told}))
