import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.compliance.errors import InvalidTaxId
from control_plane.compliance.loading import official_packs
from control_plane.compliance.tax_ids import validate_tax_id

COUNTRIES = official_packs().countries


@pytest.mark.parametrize(
    ("country", "written", "number"),
    [
        ("ES", "b-12345674", "B12345674"),
        ("ES", "54362315-K", "54362315K"),
        ("ES", "X-2482300W", "X2482300W"),
        ("PT", "PT 501 964 843", "501964843"),
        ("FR", "552 008 443", "552008443"),
        ("IT", "IT 00743110157", "00743110157"),
        ("DE", "DE 136,695 976", "136695976"),
        ("HU", "12892312", "12892312"),
        ("HU", "12892312-1-41", "12892312-1-41"),
        ("PL", "PL 8567346215", "8567346215"),
        ("GB", "GB 980 7806 84", "980780684"),
        ("US", "91-1144442", "911144442"),
    ],
)
def test_a_number_is_accepted_as_people_write_it(country: str, written: str, number: str):
    assert validate_tax_id(official_packs().jurisdiction(country), written).number == number


@pytest.mark.parametrize(
    ("country", "written", "why"),
    [
        ("ES", "B12345675", "check digit"),
        ("ES", "12345678A", "check digit"),
        ("ES", "hello", "NIF"),
        ("ES", "", "NIF"),
        ("PT", "999999990", "customers without a number"),
        ("PL", "44051401359", "NIP"),
        ("US", "536-90-4399", "EIN"),
    ],
)
def test_an_invalid_number_is_refused_with_the_reason_and_an_example(country: str, written: str, why: str):
    with pytest.raises(InvalidTaxId) as refused:
        validate_tax_id(official_packs().jurisdiction(country), written)
    assert why in refused.value.message
    assert "for example" in refused.value.message


@settings(deadline=None)  # a busy machine must not fail a property by being slow
@given(country=st.sampled_from(COUNTRIES), written=st.text(max_size=20))
def test_any_text_is_either_a_number_or_a_clear_refusal(country: str, written: str):
    jurisdiction = official_packs().jurisdiction(country)
    with contextlib.suppress(InvalidTaxId):
        found = validate_tax_id(jurisdiction, written)
        assert validate_tax_id(jurisdiction, found.number) == found
