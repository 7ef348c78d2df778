"""Whatever is asked, switched, killed, added and taken away, in whatever order: the books, the tables and what is served agree.

Random dependency graphs, driven through the processor itself; crashes are processes that are killed.
"""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from app.core.plugins import operation, processor, service
from app.core.plugins.loader import core_version
from app.core.plugins.ownership import Ownership
from app.core.plugins.plan import Change
from app.core.plugins.processor import Processor
from app.core.plugins.registry import ModuleRegistry
from app.core.plugins.states import PENDING, State
from tests.support.module_world import NEWEST, World
from tests.support.postgres import create_database, drop_database, in_fresh_loop, make_template

MODULES = 5
ASKER = service.Asker("cli")
STEPS = ("migrate", "lifecycle", "finalize")
MOMENTS = ("before", "in", "after")
POINTS = [
    *(f"processor.install.{step}.{moment}" for step in STEPS for moment in MOMENTS),
    *(f"processor.upgrade.{step}.{moment}" for step in STEPS for moment in MOMENTS),
    *(f"processor.uninstall.{step}.before" for step in ("backup", "lifecycle", "delete_data", "migrate_down", "finalize")),
    "backup.dump.in",
    "processor.uninstall.migrate_down.in",
    "processor.uninstall.finalize.after",
]
modules = st.sampled_from([f"m{number}" for number in range(MODULES)])


@st.composite
def graphs(draw):
    """Each module needs some of those before it: no cycles, any shape."""
    return {
        f"m{number}": tuple(sorted(draw(st.sets(st.sampled_from([f"m{other}" for other in range(number)]), max_size=2)))) if number else ()
        for number in range(MODULES)
    }


class ModuleLife(RuleBasedStateMachine):
    """`postgres` and `zygote` are set by the test."""

    postgres = None
    zygote = None
    template = None

    @initialize(depends=graphs())
    def begin(self, depends):
        self.loop = asyncio.Runner()
        self.name = create_database(self.postgres, template=self.template)
        folder = Path(tempfile.mkdtemp(prefix="module-life-"))
        self.world = World(self.postgres.tenant(self.name), folder, self.zygote, depends)
        for name in depends:
            self.world.put_package(name, 1)
        self.run(self.world.boot())

    def run(self, work):
        return self.loop.run(work)

    def ask(self, change, name):
        """What a person asks for; a refusal is an answer too."""

        def work(connection, discovery):
            around = service.Surroundings(discovery, core_version(), service.from_packages(discovery), bypasses_isolation=True)
            return service.ask(connection, around, change, name, asker=ASKER)

        self.run(self.world.ask(work))

    @rule(name=modules, restart=st.booleans())
    def install(self, name, restart):
        self.ask(Change.INSTALL, name)
        if restart:
            self.run(self.world.boot())

    @rule(name=modules, restart=st.booleans())
    def uninstall(self, name, restart):
        self.ask(Change.UNINSTALL, name)
        if restart:
            self.run(self.world.boot())

    @rule(name=modules)
    def upgrade(self, name):
        self.ask(Change.UPGRADE, name)

    @rule(name=modules, change=st.sampled_from([Change.DISABLE, Change.ENABLE]))
    def switch(self, name, change):
        self.ask(change, name)

    @rule()
    def boot(self):
        self.run(self.world.boot())

    @rule(point=st.sampled_from(POINTS))
    def crash(self, point):
        self.world.crash(point)

    @rule(name=modules, version=st.integers(1, NEWEST))
    def package_appears(self, name, version):
        self.world.put_package(name, version)

    @precondition(lambda self: len(self.world.packages) > 1)
    @rule(name=modules)
    def package_vanishes(self, name):
        if name in self.world.packages:
            self.world.take_package(name)

    @precondition(lambda self: len(self.world.serving) < 2)
    @rule()
    def serve(self):
        self.run(self.world.serve())

    @precondition(lambda self: len(self.world.serving) < 2)
    @rule(name=modules)
    def remove_what_is_served(self, name):
        """The order that matters most, and that chance alone seldom finds."""
        self.run(self.world.serve())
        self.ask(Change.UNINSTALL, name)
        self.run(self.world.boot())

    @precondition(lambda self: self.world.serving)
    @rule()
    def drain(self):
        self.run(self.world.drain())

    @invariant()
    def books_tables_and_routes_agree(self):
        if hasattr(self, "world"):
            self.check(self.run(self.world.look()))

    def check(self, seen):
        for name in seen.with_schema:
            lacking = set(seen.records[name].depends) - seen.with_schema
            assert not lacking, f"{name} is {seen.records[name].state} without {lacking}"
            if seen.records[name].state is State.INSTALLED:
                switched_off = {need for need in seen.records[name].depends if seen.records[need].state is State.DISABLED}
                assert not switched_off, f"{name} is in use without {switched_off}"
        expected = {table: name for name in seen.records for table in seen.tables_of(name)}
        assert seen.tables == expected.keys(), "a table is without its module, or a module without its table"
        assert dict(seen.owners) == expected, "a table is without its owner"
        assert not seen.unprotected, "a table with a clinic that is not isolated"
        for _, mounted in self.world.serving:
            assert mounted <= seen.with_schema, "routes are mounted whose tables are gone"

    def teardown(self):
        if not hasattr(self, "world"):
            return
        try:
            self.settle()
        finally:
            self.run(self.world.close())
            self.loop.close()
            drop_database(self.postgres, self.name)

    def settle(self):
        """With all packages here and nobody serving, another start leaves nothing undone."""
        while self.world.serving:
            self.run(self.world.drain())
        for name in self.world.depends:
            self.world.put_package(name, NEWEST)
        self.run(self.world.ask(lambda connection, _: service.retry(connection, ASKER)))
        self.run(self.world.boot())
        report = self.run(self.world.boot())
        seen = self.run(self.world.look())
        self.check(seen)
        assert report.ok, report
        left = {name: record.state for name, record in seen.records.items() if record.state in PENDING}
        assert not left
        assert {record.state for record in seen.records.values()} <= {State.INSTALLED, State.DISABLED, State.UNINSTALLED}


def _migrate_core(database):
    async def migrate():
        await Processor(database.owner_url, Path("/nonexistent"), registry=ModuleRegistry()).migrate_core()

    in_fresh_loop(migrate)


def run_histories(postgres, zygote, *, examples, steps, thorough):
    found = {"postgres": postgres, "zygote": zygote, "template": make_template(postgres, "template_plugins_core", _migrate_core)}
    run_state_machine_as_test(
        type("Machine", (ModuleLife,), found),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=not thorough,
            phases=[Phase.generate, Phase.shrink] if thorough else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_order_of_changes_crashes_and_packages_breaks_the_agreement(postgres, zygote):
    run_histories(postgres, zygote, examples=12, steps=20, thorough=False)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_no_long_order_of_changes_crashes_and_packages_breaks_the_agreement(postgres, zygote):
    run_histories(postgres, zygote, examples=150, steps=40, thorough=True)


async def _free(*_):
    return True


PLANTED = {
    "routes are mounted whose tables are gone": (processor, "try_lock", _free),
    "not isolated": (operation, "apply_policies", lambda *_, **__: None),
    "is without": (Ownership, "record", lambda *_: None),
}


@pytest.mark.full
@pytest.mark.parametrize("notices", PLANTED)
def test_a_planted_fault_is_noticed(postgres, zygote, monkeypatch, notices):
    monkeypatch.setattr(*PLANTED[notices])

    with pytest.raises(AssertionError, match=notices):
        run_histories(postgres, zygote, examples=40, steps=20, thorough=False)
