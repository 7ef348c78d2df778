"""Clinics that leave: a worker over a deployer that runs nothing, and a real database server."""

import re

import pytest
from sqlalchemy import select

from control_plane.mail.models import OutgoingMail
from control_plane.passes import PASSES
from control_plane.passes.running import make_due, run_due
from tests.control_plane.operations.conftest import databases, end_leases, operation_of, order, provisioned, shown, worker

__all__ = ["databases", "end_leases", "operation_of", "order", "provisioned", "shown", "worker"]


async def passes(worker, name):
    """Run this pass now; it must end well."""
    await make_due(worker._tools, name)
    assert await run_due(worker._tools, "worker-1", passes=[one for one in PASSES if one.name == name])


@pytest.fixture
def mails(platform):
    """What was written to the owner: template and text, oldest first."""

    async def mails():
        async with platform.database.transaction() as session:
            found = await session.scalars(select(OutgoingMail).order_by(OutgoingMail.number))
            return [(mail.template, mail.text) for mail in found]

    return mails


@pytest.fixture
def link_in():
    def link_in(text):
        return re.search(r"http://platform\.example(/exports/\S+)", text).group(1)

    return link_in


@pytest.fixture
def exports_of(client):
    async def exports_of(slug="sol"):
        return (await client.get(f"/v1/tenants/{slug}/exports")).json()["items"]

    return exports_of


@pytest.fixture
def deleted(provisioned, client, worker, shown):
    """A clinic that was deleted at once."""

    async def deleted(**changes):
        tenant = await provisioned(**changes)
        answer = await client.delete(f"/v1/tenants/{tenant['slug']}", params={"at_once": True, "confirm": tenant["slug"]})
        assert answer.status_code == 202, answer.text
        await worker.drain()
        return await shown(tenant["slug"])

    return deleted
