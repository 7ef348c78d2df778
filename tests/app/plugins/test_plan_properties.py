"""Whatever is asked of whatever books: a plan without refusals leaves nothing on that needs what is off or goes."""

from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.plugins.loader import Discovery
from app.core.plugins.pending import Packages
from app.core.plugins.plan import Change, Facts, make_plan
from app.core.plugins.states import STAYS, State, Trigger, target
from tests.app.plugins.test_plan import record

NAMES = ("a", "b", "c", "d", "e")
OFF = frozenset({State.DISABLED})


@st.composite
def books(draw):
    """Modules of which each needs some of those before it, in states that fit each other."""
    found = {}
    for position, name in enumerate(NAMES):
        depends = draw(st.sets(st.sampled_from(NAMES[:position]), min_size=1, max_size=2)) if position else set()
        needed = [found[need] for need in depends]
        possible = [State.UNINSTALLED, State.TO_REMOVE]
        if all(need.state in STAYS for need in needed):
            # Often: most of what is interesting happens to what is off, or needs it.
            possible += 4 * [State.DISABLED]
        if all(need.state in STAYS - OFF for need in needed):
            possible += [State.TO_INSTALL, State.INSTALLED, State.INSTALLED, State.TO_UPGRADE]
        made = record(
            name,
            draw(st.sampled_from(possible)),
            *sorted(depends),
            chosen=draw(st.booleans()),
            removable=draw(st.booleans()),
            attempts=draw(st.integers(0, 1)),
            fulfils=draw(st.sampled_from([[], ["law"]])),
        )
        made.manifest_snapshot["package"] = {"fingerprint": "seen"}
        found[name] = made
    return found


def packages(records, newer=()):
    """The packages of all modules; those of `newer` ones have another version than the books."""
    found = {}
    for name, each in records.items():
        version = "1.1.0" if name in newer else "1.0.0"
        manifest = each.manifest.model_copy(update={"version": version})
        found[name] = SimpleNamespace(name=name, fingerprint=version if name in newer else "seen", manifest=manifest)
    return Packages(Discovery(found), records)


def carried_out(records, steps):
    """{module: (state, switched off)} as the service writes them, and the processor after it."""
    states = {name: (each.state, each.switched_off) for name, each in records.items()}
    for step in steps:
        state, off = states[step.module]
        if step.trigger is Trigger.TOGGLE:
            off = step.change is Change.DISABLE
        if step.trigger is not None:
            state = target(step.module, state, step.trigger, switched_off=off)
        states[step.module] = (state, off)
    return states


@settings(max_examples=300, deadline=None)
@given(
    records=books(),
    newer=st.sets(st.sampled_from(NAMES)),
    change=st.sampled_from(Change),
    name=st.sampled_from(NAMES),
    with_unneeded=st.booleans(),
)
def test_what_is_on_has_all_it_needs_afterwards(records, newer, change, name, with_unneeded):
    plan = make_plan(Facts(packages(records, newer), "1.0.0"), change, name, with_unneeded=with_unneeded)
    if plan.refusals:
        return

    states = carried_out(records, plan.steps)

    wanted = {each for each, (state, _) in states.items() if state in STAYS}
    on = {each for each in wanted if not states[each][1]}
    for each in wanted:
        assert set(records[each].depends) <= wanted, (each, plan)
    for each in on:
        assert set(records[each].depends) <= on, (each, plan)
    asked = states[name]
    assert {
        Change.INSTALL: asked[0] in STAYS,
        Change.UPGRADE: asked[0] is State.TO_UPGRADE,
        Change.UNINSTALL: asked[0] in {State.TO_REMOVE, State.UNINSTALLED},
        Change.ENABLE: asked[0] is State.INSTALLED,
        Change.DISABLE: asked[0] is State.DISABLED,
    }[change]


@settings(max_examples=300, deadline=None)
@given(records=books(), name=st.sampled_from(NAMES), change=st.sampled_from([Change.UNINSTALL, Change.DISABLE]))
def test_the_last_module_that_meets_the_law_stays_on(records, name, change):
    plan = make_plan(Facts(packages(records), "1.0.0", obligations=("law",)), change, name, with_unneeded=True)
    if plan.refusals:
        return

    states = carried_out(records, plan.steps)

    def met(now):
        return any(state in STAYS and not off and "law" in records[each].manifest_snapshot["fulfils"] for each, (state, off) in now.items())

    assert met(states) or not met({each: (row.state, row.switched_off) for each, row in records.items()}), plan


@settings(max_examples=50, deadline=None)
@given(records=books(), change=st.sampled_from(Change), name=st.sampled_from(NAMES))
def test_the_same_question_has_the_same_answer(records, change, name):
    facts = Facts(packages(records), "1.0.0")

    assert str(make_plan(facts, change, name)) == str(make_plan(facts, change, name))
