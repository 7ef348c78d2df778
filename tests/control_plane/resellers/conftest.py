"""Two resellers with people and keys, and a clinic with its owner that is the first one's customer."""

from dataclasses import dataclass
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select

from control_plane.access import accounts
from control_plane.access.scopes import Kind, Role
from control_plane.access.service import create_key
from control_plane.tenants.models import Tenant


@dataclass
class Reseller:
    client: httpx2.AsyncClient
    id: str
    headers: dict[str, dict[str, str]]

    @property
    def path(self) -> str:
        return f"/v1/resellers/{self.id}"

    async def ask(self, method: str, path: str = "", *, role: str = "admin", **body) -> httpx2.Response:
        return await self.client.request(method, self.path + path, headers=self.headers[role], **body)

    async def opens(self, slug: str, **body) -> httpx2.Response:
        return await self.ask("POST", "/tenants", json=new_clinic(slug, **body))


def new_clinic(slug: str, **body) -> dict:
    return {"name": slug, "slug": slug, "country": "ES", "owner_email": f"{slug}@clinic.example", "modules": [], **body}


async def key_of(platform, account_id: UUID) -> dict[str, str]:
    async with platform.database.transaction() as session:
        _, key = await create_key(session, "tests", at=platform.clock.now(), account_id=account_id)
    return {"Authorization": f"Bearer {key}"}


async def make_reseller(client, platform, name: str, **terms) -> Reseller:
    made = await client.post("/v1/resellers", json={"name": name, "terms": terms})
    assert made.status_code == 201, made.text
    headers = {}
    for role in ("admin", "staff"):
        body = {"email": f"{role}@{name.lower()}.example", "name": role, "role": role}
        hired = await client.post(f"/v1/resellers/{made.json()['id']}/staff", json=body)
        assert hired.status_code == 201, hired.text
        headers[role] = await key_of(platform, UUID(hired.json()["id"]))
    return Reseller(client, made.json()["id"], headers)


async def owner_of(platform, slug: str) -> dict[str, str]:
    """A key of the clinic's owner."""
    now = platform.clock.now()
    async with platform.database.transaction() as session:
        tenant = await session.scalar(select(Tenant).where(Tenant.slug == slug))
        account = await accounts.create_account(
            session, kind=Kind.OWNER, role=Role.OWNER, email=f"owner@{slug}.example", name="Ana", reseller_id=None, at=now
        )
        await accounts.grant(session, tenant, account_id=account.id, at=now)
    return await key_of(platform, account.id)


async def revoke(client, reseller: Reseller, slug: str, headers: dict[str, str]) -> httpx2.Response:
    """The clinic's owner ends the reseller's access."""
    grants = (await client.get(f"/v1/tenants/{slug}/access", headers=headers)).json()["items"]
    (found,) = [one["id"] for one in grants if one["reseller_id"] == reseller.id and one["ended_at"] is None]
    return await client.delete(f"/v1/tenants/{slug}/access/{found}", headers=headers)


@pytest.fixture
async def north(client, platform) -> Reseller:
    return await make_reseller(client, platform, "North", wholesale_percent="80.00", commission_percent="20.00")


@pytest.fixture
async def south(client, platform) -> Reseller:
    return await make_reseller(client, platform, "South", wholesale_percent="90.00", commission_percent="10.00")


@pytest.fixture
async def luna(north, client, platform) -> dict[str, str]:
    """The clinic `luna`, opened by north; a key of its owner."""
    assert (await north.opens("luna")).status_code == 202
    return await owner_of(platform, "luna")
