from datetime import UTC, date, datetime, timedelta

from app.testing.clock import TestClock
from control_plane.clock import SystemClock


def test_a_fixed_day_leaves_the_time_alone():
    clock = SystemClock(date(2027, 1, 1))
    assert clock.today("Europe/Madrid") == date(2027, 1, 1)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_day_is_the_clinic_s():
    clock = TestClock("2026-12-31T23:30:00+00:00")
    assert (clock.today("Europe/Madrid"), clock.today("Atlantic/Canary")) == (date(2027, 1, 1), date(2026, 12, 31))
