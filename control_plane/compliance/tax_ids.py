"""Tax numbers, checked by python-stdnum as the jurisdiction's pack says."""

import re
from dataclasses import dataclass

import stdnum
from stdnum import exceptions

from control_plane.compliance.errors import InvalidTaxId
from control_plane.compliance.loading import Jurisdiction
from control_plane.compliance.schema import TaxIdKind

# The most telling reason first: a number of the right shape with a wrong check digit is most likely a typo in that kind.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.InvalidChecksum, "its check digit does not match, so a digit or letter is mistyped"),
    (exceptions.InvalidComponent, "a part of it cannot occur"),
    (exceptions.InvalidFormat, "it has letters or digits where they cannot be"),
    (exceptions.InvalidLength, "it has the wrong number of characters"),
)


@dataclass(frozen=True)
class TaxId:
    """A valid number in its official notation, without spaces and hyphens."""

    number: str
    kind: TaxIdKind


def clinic_kinds(jurisdiction: Jurisdiction) -> tuple[TaxIdKind, ...]:
    return tuple(kind for kind in jurisdiction.tax_ids if kind.identifies == "clinic")


def validate_tax_id(jurisdiction: Jurisdiction, number: str) -> TaxId:
    """The number as one of those that identify a clinic here. Raises InvalidTaxId with the likeliest reason and an example."""
    kinds = clinic_kinds(jurisdiction)
    failed: list[Exception] = []
    refused = False
    for kind in kinds:
        try:
            compact = _check(kind, number)
        except exceptions.ValidationError as error:
            failed.append(error)
        else:
            if compact not in kind.refuse:
                return TaxId(compact, kind)
            refused = True
    why = "it stands for customers without a number, not for a clinic" if refused else _likeliest(failed)
    raise InvalidTaxId(number, jurisdiction.country, why, [kind.label for kind in kinds], kinds[0].example)


def _check(kind: TaxIdKind, number: str) -> str:
    module = stdnum.get_cc_module(*kind.format.split("."))
    assert module is not None  # checked when the pack was loaded
    longer = re.fullmatch(kind.within, number.strip()) if kind.within else None
    try:
        checked = str(module.validate(longer[1] if longer else number))
        return longer[0] if longer else checked
    except (IndexError, ValueError) as error:
        # Some of the library's checks index into what is empty or too short before they look at its length.
        if isinstance(error, exceptions.ValidationError):
            raise
        raise exceptions.InvalidFormat from error


def _likeliest(failed: list[Exception]) -> str:
    for kind, reason in _REASONS:
        if any(isinstance(error, kind) for error in failed):
            return reason
    return "it is in no known notation"
