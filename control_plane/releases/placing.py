"""Which tenant is carried out, and with which release's environment: the facts a deployer needs beside the revision."""

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.deployers.base import Placement
from control_plane.releases import service
from control_plane.revisions.models import Revision
from control_plane.tenants.models import Tenant


async def placement_of(session: AsyncSession, tenant: Tenant, revision: Revision) -> Placement:
    """The placement for carrying out `revision`: every deployer's `apply` and `rehearse` is called with one made here."""
    return Placement(tenant.id, tenant.slug, tenant.name, await service.environment_of(session, revision.release_id))
