"""Random histories over all kinds and everything a person can do: whatever happened, it comes to rest, with reasons, and nothing twice."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from control_plane.access.actors import Actor
from control_plane.errors import DomainError
from control_plane.main import read_release
from control_plane.operations import actions, service
from control_plane.operations.kinds import KINDS, OperationKind
from control_plane.operations.models import Lease, Operation
from control_plane.operations.states import MACHINE as OPERATION
from control_plane.operations.states import OPEN, OperationState
from control_plane.operations.worker import Worker
from control_plane.platform import Platform
from control_plane.stuck import service as stuck
from control_plane.tenants import service as tenants
from control_plane.tenants.models import Tenant
from control_plane.tenants.schemas import NewTenant
from control_plane.tenants.states import STUCK, UNDER_WAY, TenantState
from control_plane.transitions import IllegalTransition
from dentalpin_kit.problems import ErrorClass
from tests.support.scripted import Away, Killed, Refused, Script

ANYBODY = Actor.operator("tests")
WHY = "it has to be"
ENDINGS = st.sampled_from([None, None, None, Away("away"), Refused("no"), OSError("disk"), Killed("dead")])
MOVES = st.one_of(
    st.tuples(
        st.just("start"), st.sampled_from([kind for kind in OperationKind if kind not in (OperationKind.PROVISION, OperationKind.CLONE)])
    ),
    st.tuples(st.sampled_from(["retry", "skip", "cancel", "roll_back"]), st.integers(0, 3)),
    st.tuples(st.just("work"), st.lists(ENDINGS, min_size=1, max_size=6)),
    st.tuples(st.just("work"), st.lists(ENDINGS, min_size=1, max_size=6)),
    st.tuples(st.just("pass_time"), st.sampled_from([1, 4, 20, 130])),
    st.tuples(st.just("unstick"), st.just(0)),
)


class History:
    def __init__(self, platform, databases, clock, script, number):
        self.platform, self.databases, self.clock, self.script = platform, databases, clock, script
        self.slug = f"clinic-{number}"
        self.tenant_id: UUID | None = None

    async def begin(self):
        new = NewTenant(name="Sol", slug=self.slug, country="ES", owner_email="ana@sol.example", modules=["agenda"])
        async with self.platform.database.transaction() as session:
            self.tenant_id = (await tenants.create(session, self.platform, new, actor=ANYBODY)).tenant.id

    async def play(self, move, value):
        await getattr(self, move)(value) if hasattr(self, move) else await self._act(move, value)
        await self.check()

    async def start(self, kind):
        now = self.clock.now()
        try:
            async with self.platform.database.transaction() as session:
                tenant = await session.get_one(Tenant, self.tenant_id, with_for_update=True)
                until = now + timedelta(days=14) if kind is OperationKind.CLOSE else None
                await service.start(session, tenant, kind, actor=ANYBODY, at=now, generation=tenant.generation, until=until)
        except IllegalTransition:
            return

    async def _act(self, action, back):
        """To one of the last operations; what is refused changes nothing."""
        before = await self.rows()
        try:
            async with self.platform.database.transaction() as session:
                tenant = await session.get_one(Tenant, self.tenant_id, with_for_update=True)
                query = select(Operation).where(Operation.tenant_id == tenant.id).order_by(Operation.number.desc())
                operation = await session.scalar(query.offset(back).limit(1).with_for_update())
                if operation is not None:
                    reason = () if action == "retry" else (WHY,)
                    await getattr(actions, action)(session, tenant, operation, *reason, actor=ANYBODY, at=self.clock.now())
        except DomainError:
            assert await self.rows() == before

    async def unstick(self, _):
        async with self.platform.database.transaction() as session:
            tenant = await session.get_one(Tenant, self.tenant_id, with_for_update=True)
            await stuck.unstick(session, tenant, WHY, actor=ANYBODY, at=self.clock.now(), lease_seconds=10)

    async def work(self, endings):
        left = list(endings)
        self.script.choose = lambda *_: left.pop(0) if left else Away("away")
        try:
            for _ in range(3):
                await Worker(self.platform, self.databases, name="worker").work_once()
        except Killed:
            pass

    async def pass_time(self, minutes):
        self.clock.advance(minutes=minutes)
        async with self.platform.database.transaction() as session:
            await session.execute(text("UPDATE tenant_lease SET until = clock_timestamp() WHERE until IS NOT NULL"))
        await Worker(self.platform, self.databases, name="worker").run_passes("take_up")

    async def rows(self):
        async with self.platform.database.transaction() as session:
            tenant = await session.execute(select(Tenant.__table__).where(Tenant.id == self.tenant_id))
            operations = await session.execute(select(Operation.__table__).where(Operation.tenant_id == self.tenant_id).order_by("number"))
            return tenant.all(), operations.all()

    async def read(self):
        async with self.platform.database.transaction() as session:
            tenant = await session.get_one(Tenant, self.tenant_id)
            query = select(Operation).where(Operation.tenant_id == tenant.id).order_by(Operation.number)
            return tenant, list(await session.scalars(query))

    async def check(self):
        tenant, operations = await self.read()
        leading = [one for one in operations if one.state in OPEN and KINDS[one.kind].start is not None]
        if tenant.state in UNDER_WAY - {TenantState.CLOSING}:
            assert leading, f"{tenant.state} and nobody ends it"
            assert tenant.state_deadline is not None
        if tenant.state in STUCK:
            assert tenant.state_reason
            assert tenant.state_error_class
        for one in operations:
            assert (one.reason is not None and one.error_class is not None) or one.state not in ("failed", "waiting", "rolled_back")
        assert self.script.together == []

    async def come_to_rest(self):
        """The outside is well from now on: workers and passes alone bring everything to an end."""
        self.script.choose = lambda *_: None
        worker = Worker(self.platform, self.databases, name="worker")
        for _ in range(3):
            await self.pass_time(20)
            await worker.drain()
        tenant, operations = await self.read()
        assert tenant.state not in UNDER_WAY - {TenantState.CLOSING}
        for one in operations:
            assert one.state in {*OPERATION.final, OperationState.FAILED}, one.state
            assert one.state != "failed" or one.error_class is not ErrorClass.TEMPORARY or one is not operations[-1]
        async with self.platform.database.transaction() as session:
            assert (await session.get_one(Lease, self.tenant_id)).owner is None


@pytest.mark.parametrize("examples", [pytest.param(12, id="some"), pytest.param(300, id="many", marks=pytest.mark.full)])
def test_every_history_comes_to_rest(platform_settings, deployer, clock, monkeypatch, examples):
    script = Script()
    script.install(monkeypatch)
    numbers = iter(range(10_000))
    with asyncio.Runner() as runner:
        platform = Platform.build(platform_settings, clock=clock, deployer=deployer)
        runner.run(read_release(platform))

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=(Phase.explicit, Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(MOVES, min_size=4, max_size=14))
        def whatever_happens(moves):
            async def live():
                history = History(platform, platform.servers.own, clock, script, next(numbers))
                await history.begin()
                for move, value in moves:
                    await history.play(move, value)
                await history.come_to_rest()

            runner.run(live())

        try:
            whatever_happens()
        finally:
            runner.run(platform.close())
