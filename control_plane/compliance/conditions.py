"""Conditions of a rule on a clinic's facts, in three values: an unknown fact makes a condition unknown, never false."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Self

from pydantic import BaseModel, ConfigDict, StrictBool, StrictInt, StrictStr, model_validator

FactValue = bool | int | Decimal | str
Scalar = StrictBool | StrictInt | StrictStr


class Range(BaseModel):
    """A numeric bound; both ends exclusive, as laws say "more than"."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    above: StrictInt | None = None
    below: StrictInt | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.above is None and self.below is None:
            raise ValueError("a range needs `above`, `below` or both")
        return self

    def holds(self, value: FactValue) -> bool:
        if isinstance(value, bool | str):
            return False
        return (self.above is None or value > self.above) and (self.below is None or value < self.below)


Expected = Scalar | tuple[Scalar, ...] | Range
Conditions = Mapping[str, Expected]


def _holds(expected: Expected, value: FactValue) -> bool:
    if isinstance(expected, Range):
        return expected.holds(value)
    if isinstance(expected, tuple):
        return any(_holds(one, value) for one in expected)
    # True == 1 in Python; a yes/no fact must not match a number.
    return isinstance(expected, bool) == isinstance(value, bool) and expected == value


def evaluate(conditions: Conditions, facts: Mapping[str, FactValue]) -> bool | None:
    """True when all conditions hold, False as soon as one does not, None when that depends on facts not in `facts`."""
    unknown = False
    for name, expected in conditions.items():
        if name not in facts:
            unknown = True
        elif not _holds(expected, facts[name]):
            return False
    return None if unknown else True
