"""The table of an appointment's life (module guide, "Appointment status lifecycle")."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.events import EventType
from app.modules.agenda.states import FREEING, TERMINAL, TRANSITIONS, AppointmentStatus, find_transition, possible_targets

S, E = AppointmentStatus, EventType

# A busy machine must not fail a property by being slow.
unhurried = settings(deadline=None)


def test_the_ends_are_completed_cancelled_and_no_show():
    assert {S.COMPLETED, S.CANCELLED, S.NO_SHOW} == TERMINAL


@pytest.mark.parametrize(
    ("target", "sources", "event"),
    [
        (S.CONFIRMED, {S.SCHEDULED}, E.APPOINTMENT_CONFIRMED),
        (S.CHECKED_IN, {S.SCHEDULED, S.CONFIRMED}, E.APPOINTMENT_CHECKED_IN),
        (S.IN_TREATMENT, {S.CHECKED_IN}, E.APPOINTMENT_IN_TREATMENT),
        (S.COMPLETED, {S.IN_TREATMENT}, E.APPOINTMENT_COMPLETED),
        (S.CANCELLED, set(S) - TERMINAL, E.APPOINTMENT_CANCELLED),
        (S.NO_SHOW, {S.SCHEDULED, S.CONFIRMED}, E.APPOINTMENT_NO_SHOW),
        (S.SCHEDULED, set(), None),
    ],
)
def test_where_each_status_comes_from_and_what_it_tells(target, sources, event):
    steps = [step for step in TRANSITIONS if step.target is target]

    assert {step.source for step in steps} == sources
    assert {step.event for step in steps} <= {event}


def test_only_treatment_needs_a_cabinet():
    assert [step.target for step in TRANSITIONS if step.needs_cabinet] == [S.IN_TREATMENT]


@unhurried
@given(st.lists(st.sampled_from(list(S)), max_size=12))
def test_whatever_is_asked_for_an_end_stays_an_end(wishes):
    status, ended = S.SCHEDULED, None
    for wish in wishes:
        status = wish if find_transition(status, wish) else status
        ended = ended or (status if status in TERMINAL else None)
        assert ended in (None, status)


def test_an_end_leads_nowhere_and_everything_else_somewhere():
    assert {status for status in S if not possible_targets(status)} == TERMINAL
    assert FREEING < TERMINAL
