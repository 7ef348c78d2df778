"""Whatever is published, in whatever transactions, with whatever failures: exactly what was committed arrives, once, in order."""

from collections import defaultdict
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.events import event_bus
from app.database import unit_of_work

from .conftest import Clinic, effect

ENTITIES = [str(UUID(int=number)) for number in range(1, 4)]


@dataclass(frozen=True)
class Publish:
    entity: str


@dataclass(frozen=True)
class Savepoint:
    steps: list
    kept: bool


@dataclass(frozen=True)
class Unit:
    """One transaction of one of the two clinics."""

    first: bool
    steps: list
    kept: bool


class Undone(Exception):
    pass


@dataclass
class Story:
    """What was really committed: numbers by (clinic, entity), in order of publishing."""

    committed: dict[tuple[UUID, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    published: int = 0


publishes = st.builds(Publish, st.sampled_from(ENTITIES))
savepoints = st.builds(Savepoint, st.lists(publishes, max_size=3), st.booleans())
units = st.builds(Unit, st.booleans(), st.lists(st.one_of(publishes, savepoints), max_size=4), st.booleans())


async def take(session, clinic_id: UUID, steps: list, story: Story) -> list[tuple[str, int]]:
    """Do the steps; what is part of the transaction afterwards."""
    kept: list[tuple[str, int]] = []
    for step in steps:
        if isinstance(step, Publish):
            story.published += 1
            event_bus.publish("appointment.completed", {"clinic_id": clinic_id, "appointment_id": step.entity, "number": story.published})
            kept.append((step.entity, story.published))
            continue
        try:
            async with session.begin_nested():
                inner = await take(session, clinic_id, step.steps, story)
                if not step.kept:
                    raise Undone
            kept += inner
        except Undone:
            pass
    return kept


async def tell(clinic: Clinic, given_units: list[Unit], story: Story) -> None:
    for unit in given_units:
        clinic_id = clinic.id if unit.first else clinic.other
        try:
            async with unit_of_work(clinic_id, database=clinic.database) as session:
                kept = await take(session, clinic_id, unit.steps, story)
                if not unit.kept:
                    raise Undone
        except Undone:
            continue
        for entity, number in kept:
            story.committed[clinic_id, entity].append(number)


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_units=st.lists(units, max_size=6), failing=st.sets(st.integers(1, 12)))
async def test_exactly_what_was_committed_arrives_once_and_in_order(clinic, given_units, failing):
    """`failing`: the events whose first delivery fails."""
    await clinic.rows("TRUNCATE core_event, core_event_delivery, effects")
    failed = set()

    async def flaky(db, data):
        await effect(db, data, f"flaky {data['appointment_id']} {data['number']}")
        if data["number"] in failing - failed:
            failed.add(data["number"])
            raise ValueError

    async def steady(db, data):
        await effect(db, data, f"steady {data['appointment_id']} {data['number']}")

    clinic.install("flaky", {"appointment.completed": flaky})
    clinic.install("steady", {"appointment.completed": steady})
    story = Story()
    await tell(clinic, given_units, story)

    while await clinic.dispatcher.drain():
        await clinic.let_back_off_end()

    for module in ("flaky", "steady"):
        seen = defaultdict(list)
        for clinic_id, what in await clinic.rows("SELECT clinic_id, what FROM effects WHERE what LIKE $1 ORDER BY id", f"{module} %"):
            _, entity, number = what.split()
            seen[clinic_id, entity].append(int(number))
        assert seen == {key: numbers for key, numbers in story.committed.items() if numbers}
