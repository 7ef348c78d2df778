"""What cannot be at boot stays out, and only that: members of a circle, what lacks a dependency, and what depends on them."""

from types import SimpleNamespace

from app.core.plugins.books import mountable
from app.core.plugins.states import State


def installed(**depends):
    return {name: SimpleNamespace(state=State.INSTALLED, depends=tuple(needs)) for name, needs in depends.items()}


def test_members_of_a_circle_and_what_needs_them_stay_out():
    records = installed(egg=["hen"], hen=["egg"], farm=["hen"], stock=[], shop=["stock"])

    assert mountable(records, set(records)) == ["stock", "shop"]


def test_a_module_that_needs_itself_stays_out():
    assert mountable(installed(egg=["egg"], stock=[]), {"egg", "stock"}) == ["stock"]


def test_what_lacks_a_dependency_stays_out_with_all_above_it():
    records = installed(shop=["stock"], mall=["shop"], people=[])

    assert mountable(records, set(records)) == ["people"]


def test_what_lacks_its_package_stays_out_with_all_above_it():
    records = installed(stock=[], shop=["stock"], people=[])

    assert mountable(records, {"shop", "people"}) == ["people"]
