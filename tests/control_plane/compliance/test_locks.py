"""What was once used under a law stays as long as that law says."""

from datetime import date

import pytest

from control_plane.compliance.facts import Facts
from control_plane.compliance.loading import official_packs
from control_plane.compliance.locks import locks_of
from control_plane.compliance.resolving import resolve

FULFILS = {"verifactu": ("es-verifactu",), "agenda": ()}


def locks(on, last_used=None, kept_elsewhere=frozenset(), **facts):
    found = resolve(Facts.of("ES", **facts), official_packs(), date.fromisoformat(on))
    return locks_of(found, FULFILS, last_used or {}, kept_elsewhere)


def test_records_are_kept_for_their_years_after_the_year_of_last_use():
    assert set(locks("2027-05-01")) == {"verifactu"}
    lock = locks("2027-05-01")["verifactu"]
    assert lock.until == date(2033, 12, 31)
    assert "Orden HAC/1177/2024" not in lock.why
    assert any("Código de Comercio" in source for source in lock.sources)


@pytest.mark.parametrize(
    ("on", "last_used", "until"),
    [
        ("2027-05-01", "2027-02-01", "2027-12-31"),
        ("2027-12-31", "2027-02-01", "2027-12-31"),
        ("2028-01-01", "2027-02-01", None),
        ("2028-01-01", None, "2028-12-31"),
    ],
)
def test_the_lock_period_ends_with_the_last_year_used(on, last_used, until):
    used = {"es-verifactu": date.fromisoformat(last_used)} if last_used else {}
    found = locks(on, used, kept_elsewhere=frozenset({"es-verifactu"}))
    assert [lock.until.isoformat() for lock in found.values()] == ([until] if until else [])


def test_records_stay_kept_where_the_law_no_longer_asks_for_more():
    assert locks("2027-05-01", {"es-verifactu": date(2026, 5, 1)}, sii=True)["verifactu"].until == date(2032, 12, 31)
    assert not locks("2027-05-01", {"es-verifactu": date(2026, 5, 1)}, frozenset({"es-verifactu"}), sii=True)
