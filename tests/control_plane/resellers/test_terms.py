"""Ceilings, as values; colours and logos."""

import struct
from decimal import Decimal

import pytest

from control_plane.resellers.branding import check_colour, check_logo, contrast_with_white
from control_plane.resellers.errors import (
    ContrastTooLow,
    LogoUnusable,
    ModulesBeyondCeiling,
    RegionBeyondCeiling,
    TooManyTenants,
)
from control_plane.resellers.terms import PRODUCTS_OWN, Terms


def png(width: int = 200, height: int = 60) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", width, height) + bytes(20)


@pytest.mark.parametrize(
    ("refuse", "error"),
    [
        (lambda terms: terms.refuse_tenants("Dental Partners", 2), TooManyTenants),
        (lambda terms: terms.refuse_modules("Dental Partners", ["agenda", "billing"]), ModulesBeyondCeiling),
        (lambda terms: terms.refuse_region("Dental Partners", "us-east"), RegionBeyondCeiling),
        (lambda terms: terms.refuse_region("Dental Partners", None), RegionBeyondCeiling),
    ],
)
def test_what_is_over_a_ceiling_is_refused_and_the_message_says_which(refuse, error):
    terms = Terms(max_tenants=2, modules=frozenset({"agenda"}), regions=frozenset({"eu-central"}))
    with pytest.raises(error, match="Dental Partners"):
        refuse(terms)
    refuse(Terms(max_tenants=None))


def test_what_a_clinic_chose_before_is_not_held_against_its_reseller():
    Terms(modules=frozenset({"agenda"})).refuse_modules("Dental Partners", ["agenda", "billing"], before=["billing"])


def test_without_an_agreement_a_reseller_is_held_short():
    assert (PRODUCTS_OWN.max_tenants, PRODUCTS_OWN.commission_percent, PRODUCTS_OWN.wholesale(Decimal("29.00"))) == (
        10,
        0,
        Decimal("29.00"),
    )


def test_colours_that_cannot_be_read_are_refused_with_their_contrast():
    assert (contrast_with_white("#000000"), contrast_with_white("#ffffff")) == (21, 1)
    check_colour("#0b6e4f")
    with pytest.raises(ContrastTooLow, match=r"#f5c518 stands out from white by 1\.\d\d:1 only"):
        check_colour("#f5c518")


def test_a_logo_is_a_png_of_a_size_that_fits():
    check_logo(png())
    for content in (b"<svg onload=alert(1)>", png(width=4000), png(height=2), png() + bytes(200_000), png()[:20]):
        with pytest.raises(LogoUnusable):
            check_logo(content)
