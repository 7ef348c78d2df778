"""The planner is pure: chosen modules, a catalogue and requirements in, a module set with reasons out."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.compliance.facts import Facts
from control_plane.compliance.loading import official_packs
from control_plane.compliance.resolving import resolve
from control_plane.releases.catalogue import Catalogue
from control_plane.revisions.errors import ModuleNotRemovable
from control_plane.revisions.planner import NOTHING, ReasonKind, Standing, plan_modules
from tests.support.platform import MODULES, module

NOVEMBER = date(2026, 11, 21)
JANUARY = date(2027, 1, 2)
NAMES = [f"m{number}" for number in range(8)]


def catalogue(modules=MODULES, core_version="1.0.0"):
    return Catalogue.parse("sha256:" + "0" * 64, {"schema": 1, "core_version": core_version, "modules": modules})


def spain(on=NOVEMBER, **facts):
    return resolve(Facts.of("ES", legal_form=facts.pop("legal_form", "corporate_tax"), **facts), official_packs(), on)


def plan(*chosen, on=NOVEMBER, standing=NOTHING, modules=MODULES):
    return plan_modules(frozenset(chosen), catalogue(modules), spain(on), standing)


def names(planned):
    return [one.name for one in planned.modules]


def reason(planned, name):
    return next(one.reason for one in planned.modules if one.name == name)


def test_dependencies_come_first_and_say_who_needs_them():
    planned = plan("inventory")
    assert names(planned) == ["patients", "agenda", "inventory"]
    assert reason(planned, "patients").kind is ReasonKind.NEEDED_BY
    assert reason(planned, "patients").text == "Needed by agenda, inventory."
    assert reason(planned, "inventory").text == "Chosen by the clinic."


def test_what_law_requires_is_added_and_says_which():
    planned = plan("agenda", on=JANUARY)
    assert set(names(planned)) == {"patients", "agenda", "billing", "verifactu"}
    assert reason(planned, "verifactu").kind is ReasonKind.REQUIRED_BY_LAW
    assert "es-verifactu" in reason(planned, "verifactu").by
    assert planned.unmet == ()


def test_what_is_chosen_and_required_says_both():
    assert reason(plan("verifactu", on=JANUARY), "verifactu").text.startswith("Chosen by the clinic; required by law:")


def test_an_obligation_whose_module_cannot_be_installed_is_unmet():
    modules = {**MODULES, "billing": module(installable=False)}
    planned = plan("agenda", on=JANUARY, modules=modules)
    assert names(planned) == ["patients", "agenda"]
    assert [finding.id for finding in planned.unmet] == ["es-verifactu"]


def test_a_dependency_nobody_needs_any_more_goes():
    standing = Standing(frozenset({"inventory"}), frozenset({"inventory", "agenda", "patients"}))
    assert names(plan("patients", standing=standing)) == ["patients"]


def test_one_that_cannot_be_removed_stays_when_it_was_only_needed():
    standing = Standing(frozenset({"ledger_reports"}), frozenset({"ledger_reports", "ledger"}))
    planned = plan("agenda", standing=standing)
    assert set(names(planned)) == {"ledger", "patients", "agenda"}
    assert reason(planned, "ledger").text == "Installed before and not removable."


def test_one_that_cannot_be_removed_is_refused_to_go_when_it_was_chosen():
    standing = Standing(frozenset({"ledger"}), frozenset({"ledger"}))
    with pytest.raises(ModuleNotRemovable, match="ledger cannot be removed"):
        plan("agenda", standing=standing)


def test_one_that_vanished_from_the_release_is_let_go():
    standing = Standing(frozenset({"gone"}), frozenset({"gone"}))
    assert names(plan("patients", standing=standing)) == ["patients"]


@st.composite
def graphs(draw):
    """Catalogues without circles, and a choice of their modules."""
    modules = {
        name: module("1.0.0", *draw(st.lists(st.sampled_from(NAMES[:number]), unique=True, max_size=3)) if number else ())
        for number, name in enumerate(NAMES)
    }
    return modules, draw(st.frozensets(st.sampled_from(NAMES)))


@given(graphs())
def test_every_set_is_closed_minimal_ordered_and_explained(case):
    modules, chosen = case
    planned = plan(*chosen, modules=modules)
    order = names(planned)

    assert len(order) == len(set(order))
    assert chosen <= set(order)
    for position, name in enumerate(order):
        assert set(modules[name]["depends"]) <= set(order[:position])
    needed = {name: {other for other in order if name in modules[other]["depends"]} for name in order}
    for one in planned.modules:
        assert one.name in chosen or needed[one.name]
        assert set(one.reason.by) == needed[one.name]


@given(graphs())
def test_the_order_of_asking_changes_nothing(case):
    modules, chosen = case
    backwards = dict(reversed(modules.items()))
    assert plan(*sorted(chosen), modules=modules) == plan(*sorted(chosen, reverse=True), modules=backwards)
