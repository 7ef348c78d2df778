"""A clinic with an agreement, whose payments go wrong and right again as a test says; a deployer that runs nothing."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from control_plane.billing.models import Agreement
from control_plane.billing.states import AgreementStatus, Begins, ProviderName
from control_plane.mail.models import OutgoingMail
from control_plane.main import read_release
from control_plane.operations.worker import Worker
from control_plane.plans import service as plans
from control_plane.platform import Platform
from control_plane.simulators.databases import SimulatedDatabases
from control_plane.standing.models import PaymentStanding


class Sol:
    """The clinic `sol` in Madrid, on the plan `solo`, and what its owner and its people notice."""

    def __init__(self, client, platform, clock, worker, tenant_id):
        self.client, self.platform, self.clock, self.worker, self.id = client, platform, clock, worker, tenant_id

    async def agreement(self, **changes):
        """What the payment provider said last."""
        async with self.platform.database.transaction() as session:
            row = await session.get_one(Agreement, self.id, with_for_update=True)
            for name, value in changes.items():
                setattr(row, name, value)

    async def owes(self):
        await self.agreement(status=AgreementStatus.PAST_DUE, overdue_since=self.clock.now())

    async def pays(self):
        await self.agreement(status=AgreementStatus.ACTIVE, overdue_since=None)

    async def look(self):
        """What the worker does by itself within seconds."""
        await self.worker.run_passes("standing")
        await self.worker.drain()

    async def days_pass(self, days):
        """Time goes on, and the pass runs whenever something is due."""
        end = self.clock.now() + timedelta(days=days)
        while self.clock.now() < end:
            async with self.platform.database.transaction() as session:
                row = await session.get_one(PaymentStanding, self.id)
            due = min(filter(None, (row.look_at, end)))
            self.clock.advance(seconds=(due - self.clock.now()).total_seconds())
            await self.look()

    async def standing(self):
        return (await self.client.get("/v1/tenants/sol/standing")).json()

    async def shown(self):
        return (await self.client.get("/v1/tenants/sol")).json()

    def told(self):
        """The revision its runtime has."""
        return self.platform.deployer.told(self.id)["revision"]

    async def mails(self):
        async with self.platform.database.transaction() as session:
            found = await session.scalars(select(OutgoingMail).where(OutgoingMail.tenant_id == self.id).order_by(OutgoingMail.number))
            return [mail for mail in found if mail.template.startswith("payment_")]

    async def subjects(self):
        return [mail.template for mail in await self.mails()]


@pytest.fixture
def databases(clock):
    return SimulatedDatabases(clock)


@pytest.fixture
async def platform(platform_settings, clock, deployer, databases):
    built = replace(Platform.build(platform_settings, clock=clock, deployer=deployer), servers=databases)
    await read_release(built)
    yield built
    await built.close()


@pytest.fixture
def worker(platform, databases):
    return Worker(platform, databases, name="worker-1")


@pytest.fixture
async def sol(client, platform, clock, worker):
    body = {"name": "Sol", "slug": "sol", "country": "ES", "owner_email": "ana@sol.example", "modules": ["agenda"]}
    tenant_id = UUID((await client.post("/v1/tenants", json=body)).json()["tenant"]["id"])
    await worker.drain()
    now = clock.now()
    async with platform.database.transaction() as session:
        tariff = await plans.current(session, platform.clock.today())
        session.add(
            Agreement(
                tenant_id=tenant_id,
                plan="solo",
                tariff=tariff.id,
                currency="EUR",
                provider=ProviderName.MANUAL,
                begins=Begins.INVOICE,
                agreed_at=now,
                agreed_by="tests",
                status=AgreementStatus.ACTIVE,
                period_ends=now + timedelta(days=30),
                look_at=now + timedelta(days=3650),
            )
        )
    made = Sol(client, platform, clock, worker, tenant_id)
    await made.look()
    return made
