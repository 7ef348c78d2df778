import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.tenants.slugs import candidates, slug_of, why_invalid


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Clínica Dental Sol", "clinica-dental-sol"),
        ("Zahnarzt Dr. Weiß", "zahnarzt-dr-weiss"),
        ("  3 Dientes!  ", "dientes"),
        ("Łódź Dental", "lodz-dental"),
        ("Admin", "clinic-admin"),
        ("牙科", "our-clinic"),
        ("A", "clinic-a"),
    ],
)
def test_a_name_makes_a_slug_people_recognise(name, slug):
    assert slug_of(name) == slug


@given(st.text(max_size=120))
def test_every_name_makes_valid_slugs_that_differ(name):
    found = candidates(name)
    some = [next(found) for _ in range(12)]
    assert [why_invalid(slug) for slug in some] == [None] * 12
    assert len(set(some)) == 12
