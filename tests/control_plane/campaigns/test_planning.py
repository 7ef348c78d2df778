"""The frozen plan of a campaign."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from control_plane.campaigns.planning import Candidate, freeze
from control_plane.campaigns.strategy import Strategy, WaveShape, amount


def fleet(count, **out):
    return [Candidate(UUID(int=number), f"clinic-{number}", "sha256:old", out.get(f"n{number}")) for number in range(count)]


def sizes(plan):
    return [(wave.name, wave.size, wave.parallel, wave.approval) for wave in plan.waves]


def test_the_usual_plan_is_a_canary_two_parts_and_the_rest():
    assert sizes(freeze(fleet(200), Strategy(), seed="a")) == [
        ("canary", 1, 1, False),
        ("wave 1", 20, 10, True),
        ("wave 2", 60, 10, False),
        ("wave 3", 119, 10, True),
    ]


def test_what_no_wave_takes_makes_the_last_one():
    plan = freeze(fleet(10), Strategy(canary=0, waves=(WaveShape(size=4),), parallel="50%"), seed="a")
    assert sizes(plan) == [("wave 1", 4, 2, False), ("wave 2", 6, 3, False)]


def test_named_canaries_go_first_whatever_the_lot_says():
    plan = freeze(fleet(50), Strategy(canary=1, canary_tenants=("clinic-7", "clinic-3")), seed="a")
    assert [member.slug for member in plan.members if member.wave == 0] == ["clinic-7", "clinic-3"]


def test_who_is_left_out_is_in_the_plan_with_the_reason():
    plan = freeze(fleet(3, n1=("pinned", "It is pinned.")), Strategy(), seed="a")
    assert [(member.slug, member.wave, member.out) for member in plan.members][-1] == ("clinic-1", None, ("pinned", "It is pinned."))
    assert sum(wave.size for wave in plan.waves) == 2


def test_nobody_able_makes_no_wave():
    assert freeze(fleet(1, n0=("pinned", "It is pinned.")), Strategy(), seed="a").waves == ()


shapes = st.one_of(st.integers(1, 40), st.integers(1, 100).map(lambda part: f"{part}%"))


@given(
    count=st.integers(0, 120),
    canary=st.integers(0, 5),
    waves=st.lists(shapes.map(lambda size: WaveShape(size=size)), max_size=5),
    parallel=shapes,
    seed=st.text(max_size=5),
)
def test_everybody_is_in_exactly_one_wave_and_the_same_seed_gives_the_same_plan(count, canary, waves, parallel, seed):
    strategy = Strategy(canary=canary, waves=tuple(waves), parallel=parallel)
    plan = freeze(fleet(count), strategy, seed=seed)
    assert sorted(member.slug for member in plan.members) == sorted(one.slug for one in fleet(count))
    for wave in plan.waves:
        assert wave.size == sum(member.wave == wave.position for member in plan.members)
        assert 1 <= wave.parallel <= wave.size
    assert [member.rank for member in plan.members] == list(range(count))
    assert freeze(reversed(fleet(count)), strategy, seed=seed) == plan


def test_a_part_is_rounded_up_and_never_nobody():
    assert [amount("10%", of) for of in (1, 10, 11, 200)] == [1, 1, 2, 20]


@pytest.mark.parametrize(
    "wrong",
    [{"parallel": 0}, {"parallel": "0%"}, {"parallel": "101%"}, {"parallel": "many"}, {"windows": False}, {"halt_rate": 2}],
)
def test_a_strategy_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValidationError):
        Strategy(**wrong)
