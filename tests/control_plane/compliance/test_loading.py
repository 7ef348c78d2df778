from pathlib import Path

import pytest

from control_plane.compliance.errors import MalformedPack, UnknownCountry, UnknownTerritory
from control_plane.compliance.loading import OFFICIAL, digest, load_packs, official_packs


def spoiled(folder: Path, file: str, old: str, new: str) -> Path:
    """The official packs with one edit."""
    for pack in OFFICIAL.glob("*.yaml"):
        (folder / pack.name).write_text(pack.read_text(encoding="utf-8"), encoding="utf-8")
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


def test_every_country_and_territory_of_the_product_loads():
    packs = official_packs()
    assert packs.countries == ("DE", "ES", "FR", "GB", "HU", "IT", "PL", "PT", "US")
    assert packs.territories("ES") == ("ES-CE", "ES-CN", "ES-CT", "ES-ML", "ES-NC", "ES-PV")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("es.yaml", "effect: forbid", "effect: prohibit", ["rule es-verifactu.sii", "effect"]),
        ("es.yaml", "effective_from: 2027-01-01", "effective_from: soon", ["rule es-verifactu.corporate-tax", "effective_from"]),
        ("es.yaml", "when: {sii: true}", "when: {cinema: true}", ["rule es-verifactu.sii", "cinema", "describe it under `facts`"]),
        ("es.yaml", "when: {sii: true}", "when: {sii: sometimes}", ["rule es-verifactu.sii", "sometimes"]),
        ("es.yaml", "id: es-verifactu.others", "id: es-verifactu.sii", ["rule ids must be unique", "es-verifactu.sii"]),
        ("es.yaml", "id: es-verifactu.others", "id: es-other.others", ["rule es-other.others", "must be es-verifactu."]),
        ("es.yaml", "currency: EUR", "colour: red", ["colour"]),
        ("es.yaml", "currency: EUR\n", "", ["currency"]),
        ("es.yaml", "Europe/Madrid", "Europe/Springfield", ["Europe/Springfield is not an IANA time zone"]),
        ("es.yaml", "example: B12345674", "example: B12345675", ["NIF", "B12345675 is not valid"]),
        ("es.yaml", "format: es.nif", "format: es.nothing", ["python-stdnum has no es.nothing"]),
        ("es.yaml", '"[EHW]"', '"[EHW"', ["legal_form", "not a regular expression"]),
        ("es.yaml", "    assume: false\n", "", ["`assume` and `because` go together"]),
        ("es.yaml", "jurisdiction: ES", "jurisdiction: [ES", ["not valid YAML"]),
        ("es-cn.yaml", "parent: ES", "parent: EX", ["a territory of EX is called EX-"]),
        ("es-cn.yaml", "jurisdiction: ES-CN", "jurisdiction: ES-CE", ["is described by"]),
        ("pl.yaml", "effective_until: 2026-12-31", "effective_until: 2020-12-31", ["rule pl-ksef.relief", "would never hold"]),
        ("de.yaml", "bills_privately: true", "bills_privately: {above: 3}", ["rule de-goz.private", "is no number"]),
        ("it.yaml", "  it-sdi:\n", "  it-sdx:\n", ["it-sdi", "has no title"]),
    ],
)
def test_a_malformed_pack_is_refused_with_file_rule_and_way_out(tmp_path: Path, file: str, old: str, new: str, said: list[str]):
    with pytest.raises(MalformedPack) as refused:
        load_packs(spoiled(tmp_path, file, old, new))
    message = str(refused.value)
    assert file in message or "es-cn.yaml" in message
    assert "docs/compliance.md" in message
    for words in said:
        assert words in message


def test_an_empty_folder_is_refused(tmp_path: Path):
    with pytest.raises(MalformedPack, match=r"holds no \*\.yaml"):
        load_packs(tmp_path)


def test_the_digest_sees_words_and_figures_but_not_comments(tmp_path: Path):
    official = official_packs().by_id["HU"]
    comment, word = tmp_path / "comment", tmp_path / "word"
    comment.mkdir()
    word.mkdir()
    assert digest(load_packs(spoiled(comment, "hu.yaml", "jurisdiction: HU", "# a comment\njurisdiction: HU")).by_id["HU"]) == digest(
        official
    )
    assert digest(load_packs(spoiled(word, "hu.yaml", "Every invoice", "Each invoice")).by_id["HU"]) != digest(official)


@pytest.mark.parametrize("country", ["XX", "", "Spain", "ES-CN"])
def test_an_unknown_country_lists_the_known(country: str):
    with pytest.raises(UnknownCountry, match="DE, ES, FR, GB, HU, IT, PL, PT, US"):
        official_packs().jurisdiction(country)


def test_an_unknown_territory_lists_the_known():
    with pytest.raises(UnknownTerritory, match="ES-CE, ES-CN, ES-CT, ES-ML, ES-NC, ES-PV"):
        official_packs().jurisdiction("ES", "ES-MD")


def test_a_country_without_territories_says_so():
    with pytest.raises(UnknownTerritory, match="has none: leave it out"):
        official_packs().jurisdiction("PT", "PT-20")


@pytest.mark.parametrize("written", ["ES-CN", "es-cn", "CN", " cn "])
def test_a_territory_may_be_written_in_several_ways(written: str):
    assert official_packs().jurisdiction("es", written).id == "ES-CN"


def test_a_territory_says_only_what_differs():
    canaries = official_packs().jurisdiction("ES", "ES-CN")
    assert (canaries.time_zones, canaries.vat.name, canaries.vat.tax_code) == (("Atlantic/Canary",), "IGIC", "03")
    assert (canaries.currency, canaries.tax_ids) == ("EUR", official_packs().jurisdiction("ES").tax_ids)
    assert set(canaries.digests) == {"ES", "ES-CN"}


def test_catalonia_keeps_clinical_records_longer():
    packs = official_packs()
    assert packs.jurisdiction("ES").retention["clinical"].years == 5
    assert packs.jurisdiction("ES", "ES-CT").retention["clinical"].years == 15
    assert packs.jurisdiction("ES", "ES-CT").retention["invoices"].years == 6
