"""Where data may lie is decided by values: clauses of packs against servers."""

from datetime import date

import pytest

from control_plane.compliance.facts import Facts
from control_plane.compliance.loading import official_packs
from control_plane.compliance.resolving import resolve
from control_plane.databases.errors import NoServerForResidency
from control_plane.databases.placing import Candidate, place

OWN = Candidate(None, None, frozenset(), 2**31, 0)


def server(name, region, *proofs, tenants=0, capacity=10, accepting=True):
    return Candidate(name, region, frozenset(proofs), capacity, tenants, accepting)


def clauses(country, territory=None, **facts):
    return resolve(Facts.of(country, territory, **facts), official_packs(), date(2026, 11, 21)).profile.residency


def placed(country, *candidates, **facts):
    return place(clauses(country, **facts), [OWN, *candidates]).name


def test_a_single_server_nobody_placed_takes_every_country():
    assert [placed(country) for country in ("ES", "FR", "US", "GB")] == [None] * 4


def test_once_a_server_has_a_region_data_lies_where_the_law_wants_it():
    servers = (server("frankfurt", "eu-central"), server("paris", "eu-west-fr-hds", "HDS-2024"), server("ohio", "us-east", "BAA"))
    assert [placed(country, *servers) for country in ("ES", "FR", "US", "HU")] == ["frankfurt", "paris", "ohio", "frankfurt"]


def test_a_region_without_the_proof_is_not_enough():
    with pytest.raises(NoServerForResidency, match="eu-west-fr-hds whose host can show HDS-2024"):
        placed("FR", server("paris", "eu-west-fr-hds"))
    with pytest.raises(NoServerForResidency, match="BAA"):
        placed("US", server("ohio", "us-east"))


def test_an_unknown_fact_places_strictly():
    c5 = server("berlin", "eu-central", "BSI-C5-type2", tenants=9)
    plain = server("frankfurt", "eu-central")
    assert placed("DE", plain, c5, statutory_care=False) == "frankfurt"
    assert placed("DE", plain, c5, statutory_care=True) == "berlin"


def test_the_emptiest_in_the_region_the_law_names_first():
    south, west = server("madrid", "eu-south", tenants=9), server("dublin", "eu-west")
    assert placed("ES", west, south) == "madrid"
    assert placed("ES", west, south, server("seville", "eu-south", tenants=3)) == "seville"


@pytest.mark.parametrize("full", [server("madrid", "eu-south", tenants=10), server("madrid", "eu-south", accepting=False)])
def test_one_that_is_full_or_takes_no_more_is_passed_over(full):
    assert placed("ES", full, server("dublin", "eu-west")) == "dublin"
    with pytest.raises(NoServerForResidency, match="no database server takes another tenant there"):
        placed("ES", full)


def test_laws_that_agree_on_no_region_are_refused_with_both():
    both = (*clauses("FR"), *clauses("ES"))
    with pytest.raises(NoServerForResidency, match="name no region in common"):
        place(both, [OWN, server("paris", "eu-west-fr-hds", "HDS-2024"), server("madrid", "eu-south")])
