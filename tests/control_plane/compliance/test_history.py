"""Facts in two times: when they hold, and since when they are known."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.compliance.history import ENTITY, History, Statement

DAWN = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = date(2026, 1, 1)
NOTHING = History(())


def told(history, name, value, start=None, end=None, *, at, clinic=ENTITY):
    """The whole of history after one more statement, what was corrected included."""
    closed, added = history.stating(Statement(clinic, name, value, start, end), at=at)
    over = tuple(
        Statement(o.clinic, o.name, o.value, o.valid_from, o.valid_until, o.known_from, at) if o in closed else o
        for o in history.statements
    )
    return History((*over, *added))


def moment(number):
    return DAWN + timedelta(hours=number)


def entity(history, on, known_at):
    return history.as_known(known_at).on(on).entity


def test_a_change_from_a_day_on_leaves_the_days_before():
    history = told(told(NOTHING, "legal_form", "other", at=moment(0)), "legal_form", "corporate_tax", date(2027, 3, 1), at=moment(1))
    assert entity(history, date(2027, 2, 28), moment(1)).legal_form == "other"
    assert entity(history, date(2027, 3, 1), moment(1)).legal_form == "corporate_tax"


def test_a_correction_changes_the_past_and_not_what_was_believed_then():
    history = told(told(NOTHING, "sii", False, at=moment(0)), "sii", True, date(2026, 1, 1), at=moment(5))
    assert entity(history, date(2026, 6, 1), moment(5)).stated == {"sii": True}
    assert entity(history, date(2026, 6, 1), moment(4)).stated == {"sii": False}
    assert entity(history, date(2025, 6, 1), moment(5)).stated == {"sii": False}


def test_what_is_said_for_some_days_ends_with_them():
    history = told(told(NOTHING, "sii", False, at=moment(0)), "sii", True, date(2027, 1, 1), date(2027, 7, 1), at=moment(1))
    assert [entity(history, day, moment(1)).stated["sii"] for day in (date(2026, 12, 31), date(2027, 1, 1), date(2027, 7, 1))] == [
        False,
        True,
        False,
    ]


def test_what_is_known_already_is_not_stated_again():
    history = told(NOTHING, "sii", True, at=moment(0))
    assert history.stating(Statement(ENTITY, "sii", True, date(2027, 1, 1)), at=moment(1)) == ((), ())
    # True is not 1.
    assert history.stating(Statement(ENTITY, "sii", 1, date(2027, 1, 1)), at=moment(1)) != ((), ())


def test_a_clinic_is_there_as_long_as_its_country_is_stated():
    history = told(told(NOTHING, "country", "ES", at=moment(0)), "country", "ES", clinic="norte", at=moment(0))
    history = told(history, "territory", "ES-CN", clinic="norte", at=moment(0))
    history = told(history, "country", None, date(2027, 1, 1), clinic="norte", at=moment(1))
    believed = history.as_known(moment(1))
    assert believed.on(date(2026, 12, 31)).clinics["norte"].territory == "ES-CN"
    assert believed.on(date(2027, 1, 1)).clinics == {}


def test_a_further_clinic_abroad_has_neither_the_tax_id_nor_the_legal_form_of_home():
    history = told(told(NOTHING, "country", "ES", at=moment(0)), "tax_id", "B12345674", at=moment(0))
    history = told(told(history, "country", "PT", clinic="porto", at=moment(0)), "country", "ES", clinic="norte", at=moment(0))
    clinics = history.on(FIRST).clinics
    assert (clinics["porto"].tax_id, clinics["norte"].tax_id) == (None, "B12345674")


days = st.integers(0, 12).map(lambda number: FIRST + timedelta(days=number))
stated = st.tuples(
    st.sampled_from(["a", "b"]), st.one_of(st.none(), st.integers(0, 3)), st.one_of(st.none(), days), st.one_of(st.none(), days)
).filter(lambda one: one[2] is None or one[3] is None or one[2] < one[3])


@settings(deadline=None, max_examples=150)
@given(st.lists(stated, max_size=10))
def test_whatever_is_stated_the_last_word_on_a_day_counts_and_every_earlier_belief_can_be_had(statements):
    history, beliefs = NOTHING, []
    believed = {}
    for number, (name, value, start, end) in enumerate(statements):
        history = told(history, name, value, start, end, at=moment(number))
        believed = dict(believed)
        for offset in range(-1, 15):
            day = FIRST + timedelta(days=offset)
            if (start is None or start <= day) and (end is None or day < end):
                believed[day, name] = value
        beliefs.append(believed)
    for number, belief in enumerate(beliefs):
        known = history.as_known(moment(number))
        for offset in range(-1, 15):
            day = FIRST + timedelta(days=offset)
            said = {name: value for (on, name), value in belief.items() if on == day and value is not None}
            assert known.on(day).entity.stated == said
    current = history.current.statements
    for one in current:
        assert not [
            other for other in current if other is not one and (other.name, other.clinic) == (one.name, one.clinic) and other.meets(one)
        ]


@pytest.mark.parametrize(
    ("after", "until", "expected"), [((2026, 1, 1), (2027, 1, 1), 1), ((2027, 1, 1), (2028, 1, 1), 1), ((2027, 1, 1), (2027, 5, 1), 0)]
)
def test_boundaries_are_the_days_from_which_on_something_else_holds(after, until, expected):
    history = told(NOTHING, "sii", True, date(2027, 1, 1), date(2027, 7, 1), at=moment(0))
    assert len(history.boundaries(date(*after), date(*until))) == expected
