"""Tenants whose law changes, a worker whose deployer runs nothing, and the mails they get."""

from uuid import UUID

import pytest
from sqlalchemy import select

from control_plane.databases import SharedServer
from control_plane.law.dates import keep_up
from control_plane.mail.models import OutgoingMail
from control_plane.operations.worker import Worker

COMPANY, PERSON = "B58378431", "54362315K"


@pytest.fixture
def databases(postgres):
    return SharedServer(postgres.admin_url, bindir=postgres.bindir)


@pytest.fixture
def worker(platform, databases):
    return Worker(platform, databases, name="worker-1")


@pytest.fixture
async def order(client, databases, worker):
    """A tenant that serves."""
    made = []

    async def order(slug, **changes):
        body = {"name": slug.title(), "slug": slug, "country": "ES", "owner_email": f"ana@{slug}.example", "modules": ["agenda"], **changes}
        response = await client.post("/v1/tenants", json=body)
        assert response.status_code == 202, response.text
        made.append(response.json()["tenant"]["id"])
        await worker.drain()
        return response.json()["tenant"]

    yield order
    for tenant_id in made:
        await databases.drop(UUID(tenant_id))


@pytest.fixture
def shown(client):
    async def shown(slug):
        return (await client.get(f"/v1/tenants/{slug}")).json()

    return shown


@pytest.fixture
def day_comes(platform, clock, worker):
    """The day comes, the pass over the law runs, and whatever it began is carried out; how many tenants were looked at."""

    async def day_comes(day):
        clock.move_to(day)
        looked_at = await keep_up(platform)
        await worker.drain()
        return looked_at

    return day_comes


@pytest.fixture
def mails(platform):
    """(slug of the receiver's address, template, subject) of every mail about the law, in the order written."""

    async def mails(slug=None):
        async with platform.database.transaction() as session:
            query = select(OutgoingMail).where(OutgoingMail.template.startswith("law_")).order_by(OutgoingMail.created_at, OutgoingMail.key)
            found = [mail for mail in await session.scalars(query) if slug is None or mail.to == f"ana@{slug}.example"]
        return [(mail.template, mail.subject) for mail in found]

    return mails


def modules(tenant):
    return [module["name"] for module in tenant["desired"]["modules"]]
