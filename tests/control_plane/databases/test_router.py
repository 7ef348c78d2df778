"""Database servers are registered over the API, tried first, and hold the tenants whose law wants its data there."""

from uuid import UUID

from sqlalchemy import select

from control_plane.databases.models import ServerRow
from control_plane.databases.servers import secret_context
from control_plane.operations.worker import Worker
from control_plane.tenants.models import Tenant


def server(postgres, **changes):
    return {"name": "madrid", "region": "eu-south", "capacity": 1, "admin_url": postgres.admin_url, **changes}


def clinic(slug, **changes):
    return {"name": slug.title(), "slug": slug, "country": "ES", "owner_email": f"ana@{slug}.example", "modules": ["agenda"], **changes}


async def test_a_tenant_s_database_is_made_where_its_law_wants_it(client, platform, postgres):
    registered = await client.post("/v1/database-servers", json=server(postgres))
    assert registered.status_code == 201, registered.text
    assert "admin_url" not in registered.json()
    created = await client.post("/v1/tenants", json=clinic("sol"))
    assert created.status_code == 202, created.text
    tenant_id = UUID(created.json()["tenant"]["id"])
    await Worker(platform, platform.servers.own, name="worker-1").drain()

    async with platform.database.transaction() as session:
        tenant = await session.get(Tenant, tenant_id)
        row = (await session.scalars(select(ServerRow))).one()
    assert (tenant.region, tenant.database_server, tenant.state) == ("eu-south", "madrid", "active")
    assert postgres.admin_url.encode() not in row.sealed_url
    assert platform.vault.open(row.sealed_url, secret_context("madrid")).decode() == postgres.admin_url
    databases = await platform.databases_for(tenant)
    assert await databases.dump(tenant_id, platform.settings.backups / "x.dump") is not None
    await databases.drop(tenant_id)

    full = await client.post("/v1/tenants", json=clinic("luna"))
    assert (full.status_code, full.json()["code"]) == (409, "no_server_for_residency")
    raised = await client.patch("/v1/database-servers/madrid", json={"capacity": 2})
    assert (raised.json()["capacity"], raised.json()["tenants"]) == (2, 1)
    abroad = await client.post("/v1/tenants", json=clinic("lyon", country="FR"))
    assert (abroad.status_code, abroad.json()["regions"]) == (409, ["eu-west-fr-hds"])
    in_use = await client.delete("/v1/database-servers/madrid")
    assert (in_use.status_code, in_use.json()["code"]) == (409, "database_server_in_use")


async def test_a_server_that_cannot_be_used_is_not_registered(client, postgres):
    refused = "database_server_unusable"
    wrong = postgres.admin_url.replace("@", "x@", 1)
    for url, code in ((wrong, refused), ("postgresql://nobody@127.0.0.1:1/x", refused), ("mysql://a@b/c", "invalid_request")):
        answer = await client.post("/v1/database-servers", json=server(postgres, admin_url=url))
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert (await client.get("/v1/database-servers")).json()["items"] == []
    assert (await client.get("/v1/database-servers/madrid")).status_code == 404


async def test_one_nobody_uses_can_be_taken_out(client, postgres):
    await client.post("/v1/database-servers", json=server(postgres))
    assert (await client.post("/v1/database-servers", json=server(postgres))).json()["code"] == "database_server_taken"
    assert (await client.delete("/v1/database-servers/madrid")).status_code == 200
    assert (await client.get("/v1/database-servers")).json()["own"]["region"] is None
