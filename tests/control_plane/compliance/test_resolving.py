from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.compliance.errors import InvalidFact, LegalFormContradictsTaxId, UnknownFact
from control_plane.compliance.facts import Facts
from control_plane.compliance.loading import Packs, official_packs
from control_plane.compliance.requirements import Requirements, Status
from control_plane.compliance.resolving import HORIZON, resolve
from control_plane.compliance.schema import Effect

PACKS = official_packs()


def requirements(on: str, country: str = "ES", territory: str | None = None, **facts: object) -> Requirements:
    return resolve(Facts.of(country, territory, **facts), PACKS, date.fromisoformat(on))  # type: ignore[arg-type]  # facts of any kind


def status(found: Requirements, obligation: str) -> str | None:
    return next((one.status.value for one in found.obligations if one.id == obligation), None)


@pytest.mark.parametrize(
    ("on", "facts", "expected"),
    [
        ("2025-04-22", {}, None),
        ("2025-04-23", {}, "allowed"),
        ("2026-12-31", {"legal_form": "corporate_tax"}, "allowed"),
        ("2027-01-01", {"legal_form": "corporate_tax"}, "required"),
        ("2027-01-01", {"legal_form": "other"}, "allowed"),
        ("2027-06-30", {"legal_form": "other"}, "allowed"),
        ("2027-07-01", {"legal_form": "other"}, "required"),
        ("2027-01-01", {}, "required"),
        ("2027-01-01", {"sii": True}, "forbidden"),
        ("2026-01-01", {"sii": True}, "forbidden"),
        ("2027-01-01", {"tax_domicile": "foral"}, "forbidden"),
        ("2027-01-01", {"legal_form": "SL"}, "required"),
        ("2027-01-01", {"legal_form": "Autónomo"}, "allowed"),
        ("2027-01-01", {"tax_id": "B12345674"}, "required"),
        ("2027-01-01", {"tax_id": "54362315K"}, "allowed"),
    ],
)
def test_verifactu_by_date_legal_form_and_sii(on: str, facts: dict[str, object], expected: str | None):
    assert status(requirements(on, **facts), "es-verifactu") == expected


@pytest.mark.parametrize("territory", ["ES-CN", "ES-CE", "ES-ML", "ES-CT"])
def test_verifactu_holds_in_every_common_territory(territory: str):
    assert status(requirements("2027-01-01", territory=territory), "es-verifactu") == "required"


def test_the_basque_provinces_have_ticketbai_instead():
    found = requirements("2027-01-01", territory="ES-PV")
    assert status(found, "es-verifactu") == "forbidden"
    assert status(found, "es-ticketbai") == "required"


def test_navarre_has_neither():
    found = requirements("2027-01-01", territory="ES-NC")
    assert status(found, "es-verifactu") == "forbidden"
    assert status(found, "es-ticketbai") is None


def test_a_basque_clinic_with_common_tax_domicile_follows_the_common_rules():
    found = requirements("2027-01-01", territory="ES-PV", tax_domicile="common")
    assert status(found, "es-verifactu") == "required"
    assert "es-ticketbai" in {one.id for one in found.not_applicable}


@pytest.mark.parametrize(
    ("country", "on", "facts", "obligation", "expected"),
    [
        ("PT", "2022-12-31", {}, "pt-fiscal-certified", None),
        ("PT", "2023-01-01", {}, "pt-fiscal-certified", "required"),
        ("PT", "2026-11-21", {"deployment": "self_hosted"}, "pt-fiscal-certified", "forbidden"),
        ("PT", "2026-11-21", {"deployment": "self_hosted"}, "pt-invoicing-connector", "required"),
        ("FR", "2026-08-31", {}, "fr-einvoice-receive", None),
        ("FR", "2026-09-01", {}, "fr-einvoice-receive", "required"),
        ("FR", "2027-08-31", {"has_taxable_b2b": True}, "fr-einvoice-issue", None),
        ("FR", "2027-09-01", {"has_taxable_b2b": True}, "fr-einvoice-issue", "required"),
        ("FR", "2027-09-01", {"has_taxable_b2b": False}, "fr-einvoice-issue", None),
        ("FR", "2027-09-01", {}, "fr-einvoice-issue", "undetermined"),
        ("IT", "2026-11-21", {}, "it-sistema-ts", "required"),
        ("IT", "2026-11-21", {}, "it-sdi", "required"),
        ("IT", "2026-11-21", {"invoices_businesses": False}, "it-sdi", "forbidden"),
        ("DE", "2026-12-31", {"has_taxable_b2b": True, "turnover": 900000}, "de-einvoice-issue", None),
        ("DE", "2027-01-01", {"has_taxable_b2b": True, "turnover": 800001}, "de-einvoice-issue", "required"),
        ("DE", "2027-01-01", {"has_taxable_b2b": True, "turnover": 800000}, "de-einvoice-issue", None),
        ("DE", "2027-01-01", {"has_taxable_b2b": True}, "de-einvoice-issue", "undetermined"),
        ("DE", "2028-01-01", {"has_taxable_b2b": True, "turnover": 1}, "de-einvoice-issue", "required"),
        ("DE", "2026-11-21", {}, "de-kzv-billing", "forbidden"),
        ("HU", "2021-01-03", {}, "hu-nav-online", None),
        ("HU", "2021-01-04", {}, "hu-nav-online", "required"),
        ("PL", "2026-03-31", {}, "pl-ksef", "allowed"),
        ("PL", "2026-04-01", {}, "pl-ksef", "required"),
        ("PL", "2026-12-31", {"ksef_small_issuer": True}, "pl-ksef", "allowed"),
        ("PL", "2027-01-01", {"ksef_small_issuer": True}, "pl-ksef", "required"),
        ("GB", "2026-11-21", {}, "gb-mtd-vat", "undetermined"),
        ("GB", "2026-11-21", {"vat_registered": "yes"}, "gb-mtd-vat", "required"),
        ("GB", "2026-11-21", {"vat_registered": "no"}, "gb-mtd-vat", None),
        ("US", "2026-11-21", {}, "us-cdt-content", "forbidden"),
    ],
)
def test_other_countries_by_date_and_fact(country: str, on: str, facts: dict[str, object], obligation: str, expected: str | None):
    assert status(requirements(on, country, **facts), obligation) == expected


def test_what_is_assumed_is_said_with_its_reason():
    assumed = {one.fact: (one.value, one.how) for one in requirements("2027-01-01").assumptions}
    assert assumed == {"legal_form": ("corporate_tax", "assumed"), "sii": (False, "assumed"), "tax_domicile": ("common", "assumed")}


def test_a_fact_read_off_the_tax_id_is_shown_as_derived():
    found = requirements("2027-01-01", tax_id="B-12345674")
    assert found.tax_id == "B12345674"
    assert [(one.fact, one.value) for one in found.assumptions if one.how == "derived"] == [("legal_form", "corporate_tax")]


def test_a_civil_partnership_s_letter_settles_nothing():
    assumed = {one.fact: one.how for one in requirements("2027-01-01", tax_id="J99216582").assumptions}
    assert assumed["legal_form"] == "assumed"


def test_a_legal_form_against_the_tax_id_is_refused():
    with pytest.raises(LegalFormContradictsTaxId, match="B12345674"):
        requirements("2027-01-01", tax_id="B12345674", legal_form="other")


def test_an_unknown_fact_lists_the_known():
    with pytest.raises(UnknownFact, match="legal_form, sii, tax_domicile"):
        requirements("2027-01-01", siii=True)


@pytest.mark.parametrize("facts", [{"sii": "perhaps"}, {"legal_form": "kingdom"}, {"tax_domicile": "moon"}])
def test_a_value_that_is_no_answer_is_refused(facts: dict[str, object]):
    with pytest.raises(InvalidFact, match="is not an answer"):
        requirements("2027-01-01", **facts)


def test_any_legal_form_is_welcome_where_no_rule_asks():
    assert requirements("2026-11-21", "DE", legal_form="GmbH").obligations


def test_an_undetermined_obligation_names_the_missing_fact():
    [vat] = [one for one in requirements("2026-11-21", "GB").obligations if one.id == "gb-mtd-vat"]
    assert vat.depends_on == ("vat_registered",)
    assert "registered for VAT?" in vat.why.en


def test_a_change_within_180_days_is_announced():
    found = requirements("2026-11-21")
    assert [(one.on.isoformat(), one.id, one.before, one.after) for one in found.upcoming] == [
        ("2027-01-01", "es-verifactu", Status.ALLOWED, Status.REQUIRED)
    ]


@pytest.mark.parametrize(("on", "announced"), [("2026-07-04", False), ("2026-07-05", True), ("2026-12-31", True), ("2027-01-01", False)])
def test_the_horizon_is_180_days_and_today_is_not_coming(on: str, announced: bool):
    assert bool(requirements(on).upcoming) is announced


def test_an_obligation_that_does_not_concern_the_clinic_is_listed_with_the_reason():
    [connector] = requirements("2026-11-21", "PT").not_applicable
    assert (connector.id, connector.why.en) == ("pt-invoicing-connector", "Does not concern this clinic (deployment = hosted).")


def test_residency_clauses_follow_the_facts():
    assert [one.certification for one in requirements("2026-11-21", "FR").profile.residency] == ["HDS-2024"]
    assert [one.certification for one in requirements("2026-11-21", "DE", statutory_care=False).profile.residency] == [None]
    assert "NHS DSPT" in [one.certification for one in requirements("2026-11-21", "GB").profile.residency]


def test_contradicting_rules_are_a_conflict_and_the_prohibition_stands():
    hungary = PACKS.by_id["HU"]
    ban = hungary.rules[0].model_copy(update={"id": "hu-nav-online.ban", "effect": Effect.FORBID})
    broken = Packs({"HU": type(hungary).model_validate(hungary.model_dump() | {"rules": [*hungary.rules, ban]})})

    found = resolve(Facts.of("HU"), broken, date(2026, 11, 21))

    assert status(found, "hu-nav-online") == "forbidden"
    assert [one.rules for one in found.conflicts] == [("hu-nav-online.ban", "hu-nav-online.everyone")]


def test_no_official_rule_contradicts_another():
    for jurisdiction in PACKS.every_jurisdiction():
        for rule in jurisdiction.rules:
            for day in rule.boundaries():
                assert not resolve(Facts.of(jurisdiction.country, jurisdiction.territory), PACKS, day).conflicts


JURISDICTIONS = tuple(PACKS.every_jurisdiction())
# A busy machine must not fail a property by being slow.
unhurried = settings(deadline=None)
DAYS = st.dates(min_value=date(2020, 1, 1), max_value=date(2032, 12, 31))


@st.composite
def cases(draw: st.DrawFn) -> Facts:
    jurisdiction = draw(st.sampled_from(JURISDICTIONS))
    stated: dict[str, bool | int | str] = {}
    for name, fact in jurisdiction.facts.items():
        if draw(st.booleans()):
            match fact.kind:
                case "yes_no":
                    stated[name] = draw(st.booleans())
                case "number":
                    stated[name] = draw(st.integers(0, 10_000_000))
                case "choice":
                    stated[name] = draw(st.sampled_from(sorted(fact.choices)))
    return Facts(country=jurisdiction.country, territory=jurisdiction.territory, stated=stated)


@unhurried
@given(facts=cases(), on=DAYS)
def test_every_obligation_is_either_found_or_explained_and_never_both(facts: Facts, on: date):
    found = resolve(facts, PACKS, on)
    named = [one.id for one in found.obligations] + [one.id for one in found.not_applicable]
    assert sorted(named) == sorted(PACKS.jurisdiction(facts.country, facts.territory).obligations)


@unhurried
@given(facts=cases(), on=DAYS)
def test_the_same_question_has_the_same_answer(facts: Facts, on: date):
    assert resolve(facts, PACKS, on).model_dump_json() == resolve(facts, PACKS, on).model_dump_json()


@unhurried
@given(facts=cases(), on=DAYS)
def test_the_deciding_rule_is_in_force(facts: Facts, on: date):
    rules = {rule.id: rule for rule in PACKS.jurisdiction(facts.country, facts.territory).rules}
    for finding in resolve(facts, PACKS, on).obligations:
        assert rules[finding.rule].in_force(on)


@unhurried
@given(facts=cases(), on=DAYS)
def test_what_is_announced_comes_true_on_its_day(facts: Facts, on: date):
    for change in resolve(facts, PACKS, on).upcoming:
        assert on < change.on <= on + HORIZON
        assert status(resolve(facts, PACKS, change.on), change.id) == change.after
        assert status(resolve(facts, PACKS, change.on - timedelta(days=1)), change.id) == change.before


@unhurried
@given(facts=cases(), on=DAYS)
def test_stating_what_was_assumed_changes_nothing_but_the_assumption(facts: Facts, on: date):
    found = resolve(facts, PACKS, on)
    assumed = {one.fact: one.value for one in found.assumptions if one.how == "assumed"}
    again = resolve(facts.model_copy(update={"stated": facts.stated | assumed}), PACKS, on)
    assert again.obligations == found.obligations
    assert not [one for one in again.assumptions if one.how == "assumed"]


@unhurried
@given(facts=cases(), on=DAYS)
def test_nothing_is_undetermined_once_all_facts_are_known(facts: Facts, on: date):
    jurisdiction = PACKS.jurisdiction(facts.country, facts.territory)
    missing = {name: {"yes_no": True, "number": 1}.get(fact.kind) or next(iter(fact.choices)) for name, fact in jurisdiction.facts.items()}
    complete = facts.model_copy(update={"stated": missing | facts.stated})
    assert not resolve(complete, PACKS, on).with_status(Status.UNDETERMINED)
