"""Whether what a database holds can be served by a release."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.releases.catalogue import Catalogue
from control_plane.releases.channels import Channel
from control_plane.releases.models import Release
from control_plane.releases.service import Offer
from control_plane.upgrades.fitness import Installed, obstacles, reservations

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def catalogue(core="1.0.0", core_revisions=("0001", "0002"), **modules):
    """Modules as name=(version, number of its migrations)."""
    described = {
        name: {"version": version, "revisions": [f"{name}_{number}" for number in range(1, count + 1)]}
        for name, (version, count) in modules.items()
    }
    return Catalogue.parse("sha256:x", {"schema": 1, "core_version": core, "core_revisions": core_revisions, "modules": described})


def installed(core="1.0.0", core_head="0002", **modules):
    """What a database that was brought to these by a release of the same shape holds."""
    heads = {core_head, *(f"{name}_{count}" for name, (_, count) in modules.items() if count)}
    return Installed(core, {name: version for name, (version, _) in modules.items()}, frozenset(heads))


def codes(holds, target, current=None):
    return [one.code for one in obstacles(holds, target, current or catalogue(agenda=("9.0.0", 9), patients=("9.0.0", 9)))]


def test_a_newer_release_with_all_modules_suits():
    assert (
        codes(installed(agenda=("1.0.0", 1)), catalogue(core="1.1.0", core_revisions=("0001", "0002", "0003"), agenda=("1.1.0", 2))) == []
    )


def test_a_module_the_release_lacks_is_named_once_whatever_its_tables():
    assert codes(installed(agenda=("1.0.0", 1)), catalogue(patients=("1.0.0", 1))) == ["module_missing"]


def test_data_of_a_newer_version_is_refused_even_without_migrations():
    assert codes(installed(agenda=("1.1.0", 0)), catalogue(agenda=("1.0.0", 0))) == ["module_older"]


def test_tables_that_are_ahead_are_refused_with_the_migration():
    (found,) = obstacles(installed(agenda=("1.0.0", 2)), catalogue(agenda=("1.0.0", 1)), catalogue(agenda=("1.0.0", 2)))
    assert (found.code, "agenda" in found.why, "agenda_2" in found.why, found.overridable) == ("tables_ahead", True, True, False)


def test_the_core_s_tables_count_too():
    found = obstacles(installed(core_head="0003"), catalogue(), catalogue(core_revisions=("0001", "0002", "0003")))
    assert ["the core" in one.why for one in found] == [True]


def test_an_older_core_whose_tables_are_the_same_is_ours_to_allow():
    (found,) = obstacles(installed(core="1.2.0"), catalogue(core="1.1.0"), catalogue(core="1.2.0"))
    assert (found.code, found.overridable) == ("release_older", True)


def test_a_release_that_does_not_say_its_migrations_is_judged_by_versions():
    silent = Catalogue.parse("sha256:y", {"schema": 1, "core_version": "1.0.0", "modules": {"agenda": {"version": "1.0.0"}}})
    assert codes(installed(agenda=("1.0.0", 5)), silent) == []
    assert codes(installed(agenda=("1.0.1", 5)), silent) == ["module_older"]


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.integers(0, 4), st.integers(0, 4))),
    st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.integers(0, 4), st.integers(0, 4))),
)
def test_a_release_suits_exactly_where_it_has_every_module_every_version_and_every_table(held, offered):
    def shape(modules):
        return {name: (f"1.{minor}.0", count) for name, (minor, count) in modules.items()}

    suits = all(name in offered and offered[name][0] >= minor and offered[name][1] >= count for name, (minor, count) in held.items())
    assert (obstacles(installed(**shape(held)), catalogue(**shape(offered)), catalogue(**shape(held))) == ()) is suits


@pytest.mark.parametrize(
    ("release", "pinned", "code"),
    [
        ({}, None, None),
        ({}, "sha256:r", None),
        ({}, "sha256:other", "pinned"),
        ({"yanked_at": NOW, "yanked_reason": "bad"}, None, "release_yanked"),
        ({"channel": Channel.EARLY}, None, "other_channel"),
        ({"registered_at": NOW - timedelta(hours=1)}, None, "release_too_young"),
    ],
)
def test_our_own_rules_can_be_set_aside(release, pinned, code):
    facts = {"id": "sha256:r", "channel": Channel.STABLE, "registered_at": NOW - timedelta(days=9), **release}
    found = reservations(Release(**facts), Offer(until=NOW - timedelta(days=3)), pinned=pinned)
    assert [one.code for one in found] == ([code] if code else [])
    assert all(one.overridable for one in found)
