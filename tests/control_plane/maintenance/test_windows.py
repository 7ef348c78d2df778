"""Maintenance windows on the clinic's own clock."""

from datetime import UTC, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from control_plane.maintenance.windows import USUAL, Span, Window, first_common

MADRID = ZoneInfo("Europe/Madrid")
CANARY = ZoneInfo("Atlantic/Canary")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def first(window, zone, at, count=1):
    return [(f"{span.start:%d %H:%M}", f"{span.end:%d %H:%M}") for span in islice(window.openings(zone, utc(at)), count)]


def test_a_window_is_in_the_clinics_own_zone():
    assert first(USUAL, MADRID, "2026-11-21T12:00") == [("22 00:00", "22 04:00")]
    assert first(USUAL, CANARY, "2026-11-21T12:00") == [("22 01:00", "22 05:00")]


def test_one_that_is_open_comes_first():
    assert first(USUAL, MADRID, "2026-11-22T03:00") == [("22 00:00", "22 04:00")]


def test_one_over_midnight_began_yesterday():
    assert first(Window(time(22), time(2)), MADRID, "2026-11-21T00:30") == [("20 21:00", "21 01:00")]


def test_only_on_its_days_the_day_being_the_one_on_which_it_begins():
    sunday_night = Window(time(23), time(1), frozenset({6}))
    assert first(sunday_night, MADRID, "2026-11-20T12:00", 2) == [("22 22:00", "23 00:00"), ("29 22:00", "30 00:00")]


def test_in_the_nights_on_which_the_clocks_change_it_keeps_its_wall_clock_ends():
    assert first(USUAL, MADRID, "2026-03-28T12:00") == [("29 00:00", "29 03:00")]
    assert first(USUAL, MADRID, "2026-10-24T12:00") == [("24 23:00", "25 04:00")]


def test_the_hour_that_does_not_exist_makes_no_window_that_ends_before_it_begins():
    missing = Window(time(2, 15), time(2, 45))
    for span in islice(missing.openings(MADRID, utc("2026-03-27T00:00")), 5):
        assert span.end > span.start


def span(start, end):
    return Span(utc("2026-11-22T00:00") + timedelta(minutes=start), utc("2026-11-22T00:00") + timedelta(minutes=end))


spans = st.lists(st.tuples(st.integers(0, 600), st.integers(1, 120)).map(lambda pair: span(pair[0], pair[0] + pair[1])), max_size=6)


@given(openings=spans, slots=spans, needs=st.integers(1, 60), at=st.integers(0, 300))
def test_the_first_common_time_fits_into_both_and_nothing_earlier_does(openings, slots, needs, at):
    openings, needed, now = sorted(openings), timedelta(minutes=needs), span(at, at + 1).start

    def fits(moment):
        return all(any(each.start <= moment and moment + needed <= each.end for each in group) for group in (openings, slots))

    found = first_common(openings, slots, at=now, needs=needed)
    if found is not None:
        assert fits(found)
    earliest = next((now + timedelta(minutes=minute) for minute in range(800) if fits(now + timedelta(minutes=minute))), None)
    assert found == earliest
