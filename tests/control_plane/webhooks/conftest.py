"""A receiver on this machine, whose network is allowed, and webhooks that lead to it."""

import dataclasses
from ipaddress import ip_network

import pytest

from control_plane.webhooks.delivery import deliver
from control_plane.webhooks.sending import Sender
from tests.support.receiver import receiving

HERE = (ip_network("127.0.0.1/32"),)


@pytest.fixture
def platform(platform):
    return dataclasses.replace(platform, sender=Sender(HERE))


@pytest.fixture
def impatient(platform):
    """The same platform with so little patience that waiting for a receiver that never answers costs nothing."""
    return dataclasses.replace(platform, sender=Sender(HERE, seconds=0.2))


@pytest.fixture
async def receiver():
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def other():
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def make(client):
    async def make(receiver, **given):
        answer = await client.post("/v1/webhooks", json={"url": receiver.url, **given})
        assert answer.status_code == 201, answer.text
        return answer.json()

    return make


@pytest.fixture
def happen(client):
    """Let things happen that are told: each name becomes a tenant."""

    async def happen(*slugs):
        for slug in slugs:
            body = {"name": slug, "slug": slug, "country": "ES", "owner_email": "ana@sol.example", "modules": ["agenda"]}
            assert (await client.post("/v1/tenants", json=body)).status_code == 202

    return happen


@pytest.fixture
def send(platform):
    async def send():
        await deliver(platform)

    return send


@pytest.fixture
def shown(client):
    async def shown(webhook):
        return (await client.get(f"/v1/webhooks/{webhook['id']}")).json()

    return shown


@pytest.fixture
def deliveries(client):
    """Of a webhook, the first queued first."""

    async def deliveries(webhook, **filters):
        return (await client.get(f"/v1/webhooks/{webhook['id']}/deliveries", params=filters)).json()["items"][::-1]

    return deliveries


def slugs(receiver):
    return [one.event["data"]["tenant"]["slug"] for one in receiver.received]
