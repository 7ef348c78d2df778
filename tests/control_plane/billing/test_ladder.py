"""The ladder of non-payment: announced, one rung at a time, never early, down at once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.billing.ladder import AFTER, SILENT, Rules, Rung, Standing, climb

DAY = timedelta(days=1)
FAILED = datetime(2027, 3, 1, 10, tzinfo=UTC)
RULES = Rules()
looks = st.lists(st.timedeltas(timedelta(minutes=1), 90 * DAY), min_size=1, max_size=60)


def act(standing, verdict, now):
    """What the platform writes down after a verdict."""
    if verdict.announce is not None:
        return replace(standing, announced=verdict.announce, announced_at=now)
    if verdict.rung is not standing.rung:
        return replace(standing, rung=verdict.rung, announced=None, announced_at=None)
    return standing


def history(pauses, standing, rules=RULES, begin=FAILED):
    """(moment, standing before, verdict) at each look."""
    now = begin
    for pause in pauses:
        now += pause
        verdict = climb(standing, now, rules)
        yield now, standing, verdict
        standing = act(standing, verdict, now)


def test_a_tenant_looked_at_every_day_climbs_on_the_days_the_rules_say():
    taken = {}
    for now, before, verdict in history([DAY] * 130, Standing(FAILED), begin=FAILED - DAY):
        if verdict.rung is not before.rung:
            taken[verdict.rung] = now - FAILED
    assert taken == dict(AFTER)


def test_the_announcement_names_the_day_and_the_day_is_kept():
    promised = {}
    for now, before, verdict in history([DAY] * 130, Standing(FAILED)):
        if verdict.announce is not None:
            promised[verdict.announce] = verdict.next_at
        if verdict.rung is not before.rung and verdict.rung not in SILENT:
            assert promised.pop(verdict.rung) == now
    assert promised == {}


def test_trials_and_paid_tenants_stay_where_they_are():
    assert climb(Standing(None), FAILED + 900 * DAY, RULES).rung is Rung.NONE


@given(st.sampled_from(Rung), st.datetimes(timezones=st.just(UTC)))
def test_paying_leads_back_from_every_rung(rung, now):
    verdict = climb(Standing(None, rung, announced=rung.next, announced_at=now), now, RULES)
    assert (verdict.rung, verdict.announce) == (Rung.NONE, None)


@given(looks)
def test_no_rung_is_early_skipped_or_unannounced(pauses):
    for now, before, verdict in history(pauses, Standing(FAILED)):
        if verdict.rung is before.rung:
            continue
        assert verdict.rung is before.rung.next
        assert now >= FAILED + AFTER[verdict.rung]
        if verdict.rung not in SILENT:
            assert before.announced is verdict.rung
            assert now - before.announced_at >= RULES.notice


@given(looks, st.timedeltas(timedelta(0), 300 * DAY))
def test_an_extension_holds_every_rung_but_the_banner(pauses, longer):
    until = FAILED + longer
    for now, before, verdict in history(pauses, Standing(FAILED, Rung.BANNER, extended_until=until)):
        if verdict.rung is not before.rung:
            assert now >= until


@given(looks)
def test_between_two_looks_nothing_was_due(pauses):
    """Waking up at `look_again_at` misses nothing."""
    for now, before, verdict in history(pauses, Standing(FAILED)):
        if verdict.announce is None and verdict.rung is before.rung and verdict.look_again_at is not None:
            just_before = verdict.look_again_at - timedelta(microseconds=1)
            assert verdict.look_again_at > now
            if just_before > now:
                again = climb(before, just_before, RULES)
                assert (again.rung, again.announce) == (before.rung, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"notice": timedelta(0)},
        {"after": {Rung.BANNER: timedelta(0)}},
        {"after": {**AFTER, Rung.ARCHIVED: timedelta(days=1)}},
    ],
)
def test_rules_that_could_surprise_somebody_are_refused(changes):
    with pytest.raises(ValueError, match="rung"):
        Rules(**changes)
