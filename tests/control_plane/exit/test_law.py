from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from control_plane.compliance.loading import official_packs
from control_plane.compliance.schema import Confidence, Retention
from control_plane.exit.law import keeping, years_after


def retention_of(country, territory=None):
    return official_packs().jurisdiction(country, territory).retention


def test_the_longest_term_decides_and_every_term_names_its_law():
    kept = keeping(retention_of("ES"), date(2026, 3, 1))

    assert [(term.record, term.until) for term in kept.terms] == [("invoices", date(2032, 3, 1)), ("clinical", date(2031, 3, 1))]
    assert kept.until == date(2032, 3, 1)
    assert kept.decisive().law == "Código de Comercio art. 30"


def test_a_territory_may_ask_for_longer_than_its_country():
    assert keeping(retention_of("ES", "ES-CT"), date(2026, 3, 1)).until == date(2041, 3, 1)


def test_where_an_age_decides_the_youngest_patient_there_could_be_counts():
    terms = {term.record: term.until for term in keeping(retention_of("DE"), date(2026, 3, 1)).terms}

    assert terms["xray"] == date(2054, 3, 1)
    assert terms["clinical"] == date(2036, 3, 1)


def test_a_term_no_law_fixes_is_said_and_never_guessed():
    kept = keeping(retention_of("US"), date(2026, 3, 1))

    undetermined = [term for term in kept.terms if term.until is None]
    assert [(term.record, term.note) for term in undetermined] == [("clinical", "Each state sets its own term.")]
    assert kept.terms[-1] is undetermined[0]


def test_a_leap_day_that_is_not_there_is_the_day_after():
    assert years_after(date(2028, 2, 29), 5) == date(2033, 3, 1)
    assert years_after(date(2028, 2, 29), 4) == date(2032, 2, 29)


@given(
    st.dates(date(2000, 1, 1), date(2100, 12, 31)),
    st.lists(st.tuples(st.integers(0, 50), st.one_of(st.none(), st.integers(1, 30))), max_size=5),
)
def test_nothing_is_kept_for_less_than_any_term_asks(gone_on, rules):
    retention = {
        f"record{number}": Retention(source="law", confidence=Confidence.READ, years=years, until_age=age)
        for number, (years, age) in enumerate(rules)
    }

    kept = keeping(retention, gone_on)

    assert len(kept.terms) == len(rules)
    for years, age in rules:
        assert kept.until is not None
        assert kept.until >= years_after(gone_on, years)
        assert age is None or kept.until >= years_after(gone_on, age)
