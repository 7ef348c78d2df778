"""Clinics that serve, as rows and a deployer's memory: no worker, no database of their own. For tests of what is decided about them."""

from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import select, text

from control_plane.deployers.base import DatabaseAddress, Deployer
from control_plane.operations.observing import keep
from control_plane.platform import Platform
from control_plane.releases.placing import placement_of
from control_plane.revisions.models import Revision
from control_plane.tenants.models import Tenant

DATABASE = DatabaseAddress("127.0.0.1", 5432, "nowhere", "owner", "app")


async def serving_clinic(client: httpx2.AsyncClient, platform: Platform, deployer: Deployer, slug: str = "sol", **fields: Any) -> UUID:
    """Create a tenant over the API and have it attested by the deployer's double, without the operation's steps."""
    body = {"name": "Clínica Sol", "slug": slug, "country": "ES", "owner_email": "ana@sol.example", "modules": ["agenda"], **fields}
    answer = await client.post("/v1/tenants", json=body)
    assert answer.status_code == 202, answer.text
    tenant_id = UUID(answer.json()["tenant"]["id"])
    async with platform.database.transaction() as session:
        values = {"id": tenant_id}
        await session.execute(text("UPDATE tenant SET state = 'active', state_deadline = NULL WHERE id = :id"), values)
        await session.execute(text("UPDATE operation SET state = 'cancelled' WHERE tenant_id = :id"), values)
    await attest(platform, deployer, tenant_id)
    return tenant_id


async def attest(platform: Platform, deployer: Deployer, tenant_id: UUID) -> None:
    """Deploy the desired revision to the double, and keep what it proves."""
    async with platform.database.transaction() as session:
        tenant = await session.get_one(Tenant, tenant_id)
        query = select(Revision).where(Revision.tenant_id == tenant.id, Revision.generation == tenant.generation)
        revision = (await session.scalars(query)).one()
        await deployer.ensure_secrets(tenant.id)
        await deployer.apply(await placement_of(session, tenant, revision), revision.document, DATABASE)
        await keep(session, tenant.id, await deployer.observe(tenant.id), at=platform.clock.now())
