from datetime import date

from control_plane.compliance.facts import Facts
from control_plane.compliance.loading import official_packs
from control_plane.compliance.matching import Match, match
from control_plane.compliance.requirements import Requirements
from control_plane.compliance.resolving import resolve


def spain(on: str, **facts: bool | str) -> Requirements:
    return resolve(Facts.of("ES", **facts), official_packs(), date.fromisoformat(on))


def unmet(found: Match) -> list[str]:
    return [one.id for one in found.unmet]


CATALOGUE = {
    "agenda": {"category": "official"},
    "verifactu": {"category": "official", "fulfils": ["es-verifactu"]},
}


def test_the_law_adds_the_module_that_fulfils_a_required_obligation():
    found = match(spain("2027-01-01"), CATALOGUE)
    assert list(found.required) == ["verifactu"]
    assert found.required["verifactu"][0].rule == "es-verifactu.corporate-tax"
    assert found.fulfilled_by == {"es-verifactu": "verifactu"}
    assert not found.unmet


def test_an_allowed_obligation_adds_nothing():
    found = match(spain("2026-12-31"), CATALOGUE)
    assert not found.required
    assert not found.forbidden
    assert not found.unmet


def test_a_forbidden_module_is_refused_with_the_rule():
    found = match(spain("2027-01-01", sii=True), CATALOGUE)
    assert {name: finding.rule for name, finding in found.forbidden.items()} == {"verifactu": "es-verifactu.sii"}


def test_what_nothing_fulfils_is_unmet():
    assert unmet(match(spain("2027-01-01"), {"agenda": {}})) == ["es-verifactu"]


def test_a_chosen_module_is_preferred_over_an_official_one():
    catalogue = {**CATALOGUE, "verifactu_plus": {"category": "community", "fulfils": ["es-verifactu"]}}
    assert match(spain("2027-01-01"), catalogue).fulfilled_by == {"es-verifactu": "verifactu"}
    assert match(spain("2027-01-01"), catalogue, frozenset({"verifactu_plus"})).fulfilled_by == {"es-verifactu": "verifactu_plus"}


def test_a_module_that_is_forbidden_for_one_obligation_fulfils_no_other():
    italy = resolve(Facts.of("IT", invoices_businesses=False), official_packs(), date(2026, 11, 21))
    found = match(italy, {"italian": {"fulfils": ["it-sdi", "it-sistema-ts"]}})
    assert list(found.forbidden) == ["italian"]
    assert unmet(found) == ["it-sistema-ts"]
