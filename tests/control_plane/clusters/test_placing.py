"""Which cluster takes a tenant."""

import pytest

from control_plane.clusters.errors import NoCluster
from control_plane.clusters.placing import Candidate, place


def candidate(name, region="eu-south", capacity=10, clinics=0, **more):
    return Candidate(name, region, capacity, clinics, **more)


def test_the_emptiest_where_the_data_lies():
    found = place("eu-south", [candidate("a", clinics=5), candidate("b", capacity=100, clinics=20), candidate("c", "eu-west")])
    assert found.name == "b"


def test_a_clinic_whose_data_lies_nobody_knows_where_runs_in_any():
    assert place(None, [candidate("b"), candidate("a", "eu-west")]).name == "a"


@pytest.mark.parametrize(
    ("candidates", "says"),
    [
        ([], "no cluster is registered there"),
        ([candidate("a", "eu-west")], "in eu-south, and no cluster is registered there"),
        ([candidate("a", clinics=10), candidate("b", accepting=False)], "no cluster has room there"),
    ],
)
def test_where_none_takes_it_the_reason_says_what_to_do(candidates, says):
    with pytest.raises(NoCluster, match=says):
        place("eu-south", candidates)
