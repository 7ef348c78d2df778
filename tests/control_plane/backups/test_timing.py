"""When backups are due, and which are kept."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.backups.retaining import Kept, Scheme, superfluous
from control_plane.backups.timing import NIGHT, minute_of, next_due

DEFAULT = Scheme()
MADRID, NOW = "Europe/Madrid", datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
moments = st.integers(0, 730 * 24 * 60).map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))


@given(tenant=st.uuids(), after=moments, zone=st.sampled_from([MADRID, "Atlantic/Canary", "America/New_York"]))
def test_a_daily_backup_is_at_the_same_minute_of_the_clinics_night(tenant, after, zone):
    due = next_due(tenant, zone, after, 24)

    local = due.astimezone(ZoneInfo(zone))
    # Where the clocks go forward, an hour of that night does not exist.
    assert timedelta(0) <= timedelta(hours=local.hour, minutes=local.minute) < NIGHT + timedelta(hours=1)
    assert timedelta(0) < due - after <= timedelta(hours=25)
    assert next_due(tenant, zone, due, 24) - due in (timedelta(hours=23), timedelta(hours=24), timedelta(hours=25))


@given(tenant=st.uuids(), after=moments, every=st.sampled_from([1, 2, 3, 4, 6, 8, 12, 24]))
def test_the_next_one_always_comes_and_never_too_late(tenant, after, every):
    due = next_due(tenant, MADRID, after, every)

    assert timedelta(0) < due - after <= timedelta(hours=every + 1)


def test_tenants_are_spread_over_the_night():
    minutes = {minute_of(uuid4()) for _ in range(400)}

    assert len(minutes) > 150
    assert max(minutes) < NIGHT


def kept_of(taken, scheme=DEFAULT, **changes):
    backups = [Kept(uuid4(), moment, **changes) for moment in taken]
    over = set(superfluous(backups, scheme, zone=MADRID, now=NOW))
    return [one.taken_at for one in backups if one.id not in over]


def test_two_years_of_hourly_backups_become_a_handful():
    taken = [NOW - timedelta(hours=hours) for hours in range(24 * 730)]

    kept = kept_of(taken)

    days = [(NOW - moment).total_seconds() / 86_400 for moment in kept]
    assert sum(age < 2 for age in days) == 48
    # Of two days all; then four days before them, three weeks before those, and eleven months.
    assert len(kept) == 48 + 4 + 3 + 11
    assert max(days) < 366
    assert len(kept_of(taken, Scheme(years=3))) == len(kept) + 1


def test_the_newest_backup_stays_however_old_it_is():
    assert kept_of([NOW - timedelta(days=4000)]) == [NOW - timedelta(days=4000)]


def test_what_is_held_until_a_day_stays_until_then():
    taken = [NOW - timedelta(days=3, minutes=minutes) for minutes in range(5)]

    assert len(kept_of(taken)) == 1
    assert len(kept_of(taken, keep_until=date(2026, 11, 21))) == 5
    assert len(kept_of(taken, keep_until=date(2026, 11, 20))) == 1


@given(st.lists(st.integers(0, 60 * 24 * 900), unique=True, min_size=1, max_size=60))
def test_tidying_again_at_once_finds_nothing_more(ages):
    taken = [NOW - timedelta(minutes=age) for age in ages]

    kept = kept_of(taken)

    assert kept_of(kept) == kept
    assert max(taken) in kept


@pytest.mark.parametrize("zone_day", [date(2026, 11, 20), date(2026, 11, 19)])
def test_a_day_is_the_clinics_day(zone_day):
    # 23:30 UTC is the next day in Madrid.
    evening = datetime(zone_day.year, zone_day.month, zone_day.day - 2, 23, 30, tzinfo=UTC)
    morning = evening + timedelta(hours=6)

    assert kept_of([evening, morning], Scheme(days=1, weeks=0, months=0)) == [morning]
