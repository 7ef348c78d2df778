"""Whether a clinic may be restarted now."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from control_plane.maintenance.rest import ASK_AGAIN, Go, Rest, decide, opening_now
from control_plane.maintenance.windows import USUAL, Span

MADRID = ZoneInfo("Europe/Madrid")
NIGHT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
"""Two in the morning in Madrid."""
NOON = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
NEEDS = timedelta(minutes=15)


def free(*hours):
    return Rest(tuple(Span(NIGHT + timedelta(hours=start), NIGHT + timedelta(hours=end)) for start, end in hours))


def test_at_night_and_without_patients():
    assert decide(USUAL, MADRID, free((0, 24)), at=NIGHT, needs=NEEDS) == Go()


def test_an_emergency_at_night_is_waited_for_and_asked_about_again_soon():
    later = decide(USUAL, MADRID, free((2, 24)), at=NIGHT, needs=NEEDS)
    assert (later.at, later.code) == (NIGHT + ASK_AGAIN, "in_use")
    assert "the next idle time is 04:00 on 22 November (Europe/Madrid)" in later.reason


def test_during_the_day_it_is_the_next_night():
    later = opening_now(USUAL, MADRID, at=NOON, needs=NEEDS)
    assert (later.at, later.code) == (datetime(2026, 11, 23, 0, 0, tzinfo=UTC), "outside_window")


def test_at_the_end_of_a_window_there_is_no_time_left_in_it():
    end = datetime(2026, 11, 22, 3, 50, tzinfo=UTC)
    assert opening_now(USUAL, MADRID, at=end, needs=NEEDS).at == datetime(2026, 11, 23, 0, 0, tzinfo=UTC)


def test_a_window_shorter_than_the_work_says_so():
    assert opening_now(USUAL, MADRID, at=NIGHT, needs=timedelta(hours=5)).code == "window_too_short"


def test_patients_are_waited_for_where_windows_are_not():
    assert decide(None, MADRID, free((0, 1)), at=NIGHT, needs=NEEDS) == Go()
    assert decide(None, MADRID, free((1, 24)), at=NIGHT, needs=NEEDS).code == "in_use"


@pytest.mark.parametrize("window", [USUAL, None])
def test_where_the_runtime_cannot_say_the_window_alone_protects_the_clinic(window):
    unknown = Rest(unknown="its release is too old")
    begun = decide(window, MADRID, unknown, at=NIGHT, needs=NEEDS)
    assert isinstance(begun, Go)
    assert "its release is too old" in begun.note
    assert decide(window, MADRID, unknown, at=NOON, needs=NEEDS).code == "outside_window"


def test_a_week_full_of_patients_is_asked_about_again():
    assert decide(USUAL, MADRID, Rest(), at=NIGHT, needs=NEEDS).code == "no_idle_slot"
