"""Plans as values: no database, no packages on disk."""

from datetime import UTC, datetime

import pytest

from app.core.plugins.errors import UnknownModule
from app.core.plugins.loader import Discovery
from app.core.plugins.models import ModuleRecord
from app.core.plugins.pending import Packages
from app.core.plugins.plan import Change, Facts, affected, make_plan
from app.core.plugins.states import State, Trigger

NOW = datetime(2027, 1, 2, tzinfo=UTC)


def record(name, state, *depends, **changes):
    values = {
        "name": name,
        "version": "1.0.0" if state is not State.UNINSTALLED else None,
        "state": state,
        "category": "community",
        "removable": True,
        "auto_install": False,
        "by_generation": None,
        "base_revision": None,
        "applied_revision": None,
        "manifest_snapshot": {"name": name, "version": "1.0.0", "depends": list(depends), "fulfils": changes.pop("fulfils", [])},
        "attempts": 0,
        "error_message": None,
        "error_at": None,
        "installed_at": NOW if state is not State.UNINSTALLED else None,
        "last_state_change": NOW,
        "chosen": True,
        "disabled_at": NOW if state is State.DISABLED else None,
        "next_attempt_at": None,
    }
    return ModuleRecord(**{**values, **changes})


def plan(change, name, *records, with_unneeded=False, **facts):
    packages = Packages(Discovery({}), {each.name: each for each in records})
    return make_plan(Facts(packages, "1.0.0", **facts), change, name, with_unneeded=with_unneeded)


def codes(made):
    return [refusal.code for refusal in made.refusals]


INSTALLED, DISABLED, UNINSTALLED = State.INSTALLED, State.DISABLED, State.UNINSTALLED


def test_removal_takes_what_came_along_dependents_first_and_leaves_what_others_need():
    books = [
        record("leaf", INSTALLED, "twig"),
        record("twig", INSTALLED, "branch", "shared", chosen=False),
        record("branch", INSTALLED, chosen=False),
        record("shared", INSTALLED, chosen=False),
        record("other", INSTALLED, "shared"),
    ]

    proposed = plan(Change.UNINSTALL, "leaf", *books)
    asked = plan(Change.UNINSTALL, "leaf", *books, with_unneeded=True)

    assert proposed.unneeded == ("twig", "branch")
    assert [step.module for step in proposed.steps] == ["leaf"]
    assert "Nobody would need twig, branch any more" in proposed.message
    assert [step.module for step in asked.steps] == ["leaf", "twig", "branch"]
    assert not asked.refusals


@pytest.mark.parametrize("kept", [{"chosen": True}, {"removable": False, "chosen": False}])
def test_a_dependency_that_was_chosen_or_cannot_go_is_not_proposed(kept):
    made = plan(Change.UNINSTALL, "leaf", record("leaf", INSTALLED, "twig"), record("twig", INSTALLED, **kept))

    assert made.unneeded == ()


def test_enabling_switches_on_what_is_needed_first():
    made = plan(Change.ENABLE, "leaf", record("leaf", DISABLED, "twig"), record("twig", DISABLED))

    assert [(step.module, step.trigger, step.at_restart) for step in made.steps] == [
        ("twig", Trigger.TOGGLE, False),
        ("leaf", Trigger.TOGGLE, False),
    ]
    assert not made.requires_restart


def test_what_is_on_already_is_nothing_to_do():
    made = plan(Change.ENABLE, "leaf", record("leaf", INSTALLED))

    assert (made.steps, made.refusals, made.message) == ((), (), "Nothing to do: leaf is as you ask.")


def test_dependents_that_are_off_do_not_keep_a_module_on():
    on = plan(Change.DISABLE, "twig", record("twig", INSTALLED), record("leaf", INSTALLED, "twig"))
    off = plan(Change.DISABLE, "twig", record("twig", INSTALLED), record("leaf", DISABLED, "twig"))

    assert codes(on) == ["module_needed"]
    assert codes(off) == []


def test_law_keeps_a_module_on_unless_another_that_is_on_meets_it():
    books = [record("one", INSTALLED, fulfils=["xx"]), record("two", DISABLED, fulfils=["xx"])]
    both = [books[0], record("two", INSTALLED, fulfils=["xx"])]

    leaving = [books[0], record("two", State.TO_REMOVE, fulfils=["xx"])]

    assert codes(plan(Change.DISABLE, "one", *books, obligations=("xx",))) == ["module_required_by_law"]
    assert codes(plan(Change.DISABLE, "one", *leaving, obligations=("xx",))) == ["module_required_by_law"]
    assert codes(plan(Change.DISABLE, "one", *both, obligations=("xx",))) == []
    assert codes(plan(Change.UNINSTALL, "one", *books, obligations=("xx",))) == ["module_required_by_law"]


def test_a_pending_module_is_not_switched_off():
    assert codes(plan(Change.DISABLE, "one", record("one", State.TO_UPGRADE))) == ["module_state_conflict"]


def test_an_install_that_never_began_is_taken_back_without_a_restart():
    made = plan(Change.UNINSTALL, "one", record("one", State.TO_INSTALL, installed_at=None))

    assert [(step.trigger, step.at_restart) for step in made.steps] == [(Trigger.WITHDRAW, False)]
    assert made.message == "At once: the install of one is taken back."


def test_on_a_managed_runtime_only_switching_is_the_clinics():
    one = record("one", INSTALLED)

    assert codes(plan(Change.UNINSTALL, "one", one, managed=True, platform="https://p.example")) == ["managed_by_platform"]
    assert codes(plan(Change.DISABLE, "one", one, managed=True)) == []


def test_an_unknown_module_is_named():
    with pytest.raises(UnknownModule):
        plan(Change.INSTALL, "nowhere", record("one", INSTALLED))
    with pytest.raises(UnknownModule):
        affected(Packages(Discovery({}), {}), Change.INSTALL, "nowhere")
