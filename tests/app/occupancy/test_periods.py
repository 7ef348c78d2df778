"""Gaps between busy periods."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.core.occupancy.periods import Period, gaps

MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC)


def period(start: int, end: int) -> Period:
    return Period(MIDNIGHT + timedelta(minutes=start), MIDNIGHT + timedelta(minutes=end))


DAY = period(0, 1440)
QUARTER = timedelta(minutes=15)


def test_what_overlaps_and_sticks_out_is_one_busy_time():
    busy = [period(-30, 60), period(600, 660), period(630, 720), period(1430, 1500)]
    assert gaps(busy, DAY, least=QUARTER) == [period(60, 600), period(720, 1430)]


def test_a_gap_that_is_too_short_is_none():
    assert gaps([period(0, 600), period(610, 1440)], DAY, least=QUARTER) == []


def test_without_anything_going_on_it_is_free_throughout():
    assert gaps([], DAY, least=QUARTER) == [DAY]


periods = st.tuples(st.integers(-100, 1500), st.integers(1, 300)).map(lambda pair: period(pair[0], pair[0] + pair[1]))


@given(busy=st.lists(periods), least=st.integers(1, 90))
def test_a_moment_is_in_a_gap_only_if_nothing_goes_on_and_gaps_are_long_enough(busy, least):
    found = gaps(busy, DAY, least=timedelta(minutes=least))
    for gap in found:
        assert gap.end - gap.start >= timedelta(minutes=least)
        assert not any(each.start < gap.end and gap.start < each.end for each in busy)
    for minute in range(0, 1440 - least, 30):
        wanted = period(minute, minute + least)
        free = not any(each.start < wanted.end and wanted.start < each.end for each in busy)
        assert free == any(gap.start <= wanted.start and wanted.end <= gap.end for gap in found)
