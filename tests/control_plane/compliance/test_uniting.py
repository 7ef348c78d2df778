"""A legal entity with clinics in several places: the union of the rules, each with its clinics."""

from datetime import date

import pytest

from control_plane.compliance.errors import UnknownFact
from control_plane.compliance.history import ENTITY, History, Statement
from control_plane.compliance.loading import official_packs
from control_plane.compliance.requirements import Status
from control_plane.compliance.uniting import law_of

NOVEMBER, JANUARY = date(2026, 11, 21), date(2027, 1, 2)


def entity(*clinics, **facts):
    """`clinics` are (key, country, territory)."""
    said = [Statement(ENTITY, name, value) for name, value in {"country": "ES", **facts}.items()]
    for key, country, territory in clinics:
        said += [Statement(key, "country", country), *([Statement(key, "territory", territory)] if territory else [])]
    return History(tuple(said))


def law(history, on=JANUARY):
    return law_of(history, official_packs(), on)


def finding(found, obligation):
    return next(one for one in found.obligations if one.id == obligation)


def test_one_clinic_has_the_law_of_its_place_and_no_names():
    found = law(entity(territory="ES-CN"))
    assert found.territory == "ES-CN"
    assert finding(found, "es-verifactu").clinics == ()


def test_each_rule_comes_with_its_clinics():
    found = law(entity(("porto", "PT", None), ("norte", "ES", "ES-CN"), legal_form="corporate_tax"))
    assert finding(found, "es-verifactu").clinics == ("main", "norte")
    assert (finding(found, "pt-fiscal-certified").status, finding(found, "pt-fiscal-certified").clinics) == (Status.REQUIRED, ("porto",))
    assert (found.country, found.profile.currency) == ("ES", "EUR")
    assert set(found.packs) == {"ES", "ES-CN", "PT"}


def test_the_longest_retention_counts():
    assert law(entity()).profile.retention["clinical"].years == 5
    assert law(entity(("girona", "ES", "ES-CT"))).profile.retention["clinical"].years == 15
    assert law(entity(("girona", "ES", "ES-CT"))).profile.retention["invoices"].years == 6


def test_every_residency_clause_holds_for_all_of_the_data():
    regions = [set(clause.regions) for clause in law(entity(("lyon", "FR", None))).profile.residency]
    assert {"eu-west-fr-hds"} in regions
    assert len(regions) == 2


def test_what_one_clinic_must_and_another_may_not_is_a_conflict_for_a_person():
    clinics = (("bilbao", "ES", "ES-PV"),)
    unsaid = law(entity(*clinics))
    assert [one.id for one in unsaid.conflicts] == ["es-verifactu"]
    assert "forbids at the clinic bilbao what es-verifactu.corporate-tax requires at main" in unsaid.conflicts[0].why.en
    assert law(entity(*clinics), NOVEMBER).conflicts == ()

    said = law(entity(*clinics, tax_domicile="common"))
    assert said.conflicts == ()
    assert finding(said, "es-verifactu").clinics == ("main", "bilbao")


def test_facts_go_to_the_clinics_whose_law_asks_for_them():
    found = law(entity(("porto", "PT", None), sii=True))
    assert finding(found, "es-verifactu").status is Status.FORBIDDEN
    with pytest.raises(UnknownFact):
        law(entity(("porto", "PT", None), siii=True))


def test_a_fact_that_will_hold_is_foreseen_like_a_date_of_the_law():
    history = History(
        (
            *entity(legal_form="other").statements[:1],
            Statement(ENTITY, "legal_form", "other", None, date(2027, 3, 1)),
            Statement(ENTITY, "legal_form", "corporate_tax", date(2027, 3, 1)),
        )
    )
    found = law(history, JANUARY)
    assert [(one.on, one.id, one.before, one.after) for one in found.upcoming] == [
        (date(2027, 3, 1), "es-verifactu", Status.ALLOWED, Status.REQUIRED)
    ]
    assert finding(law(history, date(2027, 3, 1)), "es-verifactu").status is Status.REQUIRED


def test_the_dates_of_every_clinic_s_law_are_foreseen():
    found = law(entity(("girona", "ES", "ES-CT"), legal_form="corporate_tax"), NOVEMBER)
    assert [(one.on.isoformat(), one.id) for one in found.upcoming] == [("2027-01-01", "es-verifactu")]
