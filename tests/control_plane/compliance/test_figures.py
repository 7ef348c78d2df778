"""The figures of our packs against the research they were written from, so that neither drifts alone."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from control_plane.compliance.loading import official_packs
from control_plane.compliance.schema import Confidence

SHARED = Path(os.environ.get("DENTALPIN_SHARED", Path(__file__).parents[4] / "shared"))
RESEARCH = SHARED / "reference/compliance/jurisdictions.yaml"

pytestmark = pytest.mark.skipif(not RESEARCH.exists(), reason=f"no research at {RESEARCH}; DENTALPIN_SHARED names another folder")

# Two autonomous cities share an entry there.
SPLIT = {"ES-CE_ML": ("ES-CE", "ES-ML")}


def research() -> Iterator[tuple[str, dict[str, Any]]]:
    for id_, entry in yaml.safe_load(RESEARCH.read_text(encoding="utf-8"))["jurisdictions"].items():
        for ours in SPLIT.get(id_, (id_,)):
            yield ours, entry


def test_every_rule_of_the_research_is_in_our_packs_with_its_effect_date_and_no_more_confidence():
    missing = []
    for id_, entry in research():
        rules = official_packs().jurisdiction(id_[:2], id_).rules
        for rule in entry.get("modules", ()):
            wanted = (rule["id"], rule["effect"], rule.get("from"))
            same = [one for one in rules if (one.obligation, one.effect.value, one.effective_from) == wanted]
            if not same:
                missing.append((id_, *wanted))
            elif rule["conf"] == "M" and all(one.confidence is Confidence.READ for one in same):
                missing.append((id_, rule["id"], "claims to be read in the law"))
    assert not missing


def test_we_name_no_obligation_the_research_does_not_know():
    known = {rule["id"] for _, entry in research() for rule in entry.get("modules", ())}
    ours = {rule.obligation for jurisdiction in official_packs().every_jurisdiction() for rule in jurisdiction.rules}
    # Navarre's own rules are named so that the difference from TicketBAI is visible.
    assert ours - known == {"es-navarre-invoicing"}


def test_currencies_locales_and_time_zones_are_the_same():
    for id_, entry in research():
        ours = official_packs().jurisdiction(id_[:2], id_)
        assert ours.currency == entry.get("currency", ours.currency)
        assert list(ours.locales) == entry.get("locales", list(ours.locales))
        assert set(ours.time_zones) <= set(entry.get("timezones", ours.time_zones))


def test_every_tax_id_format_is_known():
    for id_, entry in research():
        formats = {value for value in entry.get("tax_ids", {}).values() if "." in value}
        assert formats <= {kind.format for kind in official_packs().jurisdiction(id_[:2], id_).tax_ids}


def test_retention_and_residency_are_the_same():
    for id_, entry in research():
        ours = official_packs().jurisdiction(id_[:2], id_)
        for key in ("invoices", "clinical"):
            if f"{key}_years" in entry.get("retention", {}):
                assert ours.retention[key].years == entry["retention"][f"{key}_years"]
        if "residency" in entry:
            assert {region for clause in ours.residency for region in clause.regions} == set(entry["residency"]["regions"])
    assert official_packs().jurisdiction("ES", "ES-CT").retention["clinical"].years == 15


def test_forbidden_features_are_the_same():
    for id_, entry in research():
        ours = {one.feature for one in official_packs().jurisdiction(id_[:2], id_).forbidden_features}
        assert set(entry.get("forbid_features", ())) <= ours
