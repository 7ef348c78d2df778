"""From the form to the mail, with a worker and a real database server; the deployer runs nothing."""

import re

import pytest
from sqlalchemy import select

from control_plane.databases import SharedServer
from control_plane.operations.worker import Worker
from control_plane.tenants.models import Tenant


@pytest.fixture
async def worker(platform, postgres):
    databases = SharedServer(postgres.admin_url, bindir=postgres.bindir)
    yield Worker(platform, databases, name="worker-1")
    async with platform.database.transaction() as session:
        made = list(await session.scalars(select(Tenant.id)))
    for tenant_id in made:
        await databases.drop(tenant_id)


async def sent(client) -> str:
    [token] = re.findall(r'name="token" value="([^"]+)"', (await client.get("/signup")).text)
    form = {"token": token, "name": "Clínica Sol", "email": "ana@sol.example", "country": "ES", "module": ["agenda"]}
    response = await client.post("/signup", data=form)
    assert response.status_code == 303
    return response.headers["location"]


def mails_to(platform, address: str) -> list[str]:
    texts = [file.read_text(encoding="utf-8") for file in platform.settings.mails.glob("*.eml")]
    return [text for text in texts if f"To: {address}" in text]


async def test_a_form_leads_to_a_running_clinic_and_a_mail(client, platform, worker):
    address = await sent(client)
    await worker.drain()
    text = (await client.get(address)).text
    assert "Clínica Sol is ready" in text
    assert re.search(r'class="button" href="http://[^"]+"', text)
    assert len(mails_to(platform, "ana@sol.example")) == 1


async def test_a_corrected_address_gets_the_link(client, platform, worker):
    address = await sent(client)
    await worker.drain()
    await client.post(f"{address}/invitation", data={"email": "anna@sol.example"})
    await worker.drain()
    assert "A new link is on its way to anna@sol.example" in (await client.get(address)).text
    assert len(mails_to(platform, "anna@sol.example")) == 1
