"""How a campaign goes about it: values, checked when they are given and frozen with the plan."""

import math
import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_SHARE: Final = re.compile(r"(\d{1,3})%")
REST: Final = "rest"


def _share(value: int | str) -> int | str:
    if isinstance(value, str):
        match = _SHARE.fullmatch(value)
        if match is None or not 1 <= int(match[1]) <= 100:
            raise ValueError('is a number of tenants (5) or a part of them ("10%")')
    elif not 1 <= value <= 1_000_000:
        raise ValueError("is at least 1")
    return value


def _size(value: int | str) -> int | str:
    return value if value == REST else _share(value)


Share = Annotated[int | str, AfterValidator(_share)]
Size = Annotated[int | str, AfterValidator(_size)]


def amount(share: int | str, of: int) -> int:
    """How many of `of` tenants a share is: at least one, parts rounded up."""
    if isinstance(share, str):
        return max(1, math.ceil(of * int(share.removesuffix("%")) / 100))
    return share


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WaveShape(_Value):
    size: Size
    """How many of those that can be moved: a number, a part ("30%"), or "rest"."""
    parallel: Share | None = None
    """How many at once, of this wave; absent: the campaign's."""
    approval: bool = False
    """Whether a person has to let it begin."""
    soak_minutes: Annotated[int, Field(ge=0, le=14 * 24 * 60)] = 0
    """How long it is watched, once all members ended, before the next begins."""


USUAL_WAVES: Final = (WaveShape(size="10%", soak_minutes=60), WaveShape(size="30%", soak_minutes=60), WaveShape(size=REST, approval=True))


class Strategy(_Value):
    canary: Annotated[int, Field(ge=0, le=1000)] = 1
    """How many tenants go first, alone: the first failure among them halts the campaign."""
    canary_tenants: Annotated[tuple[Annotated[str, Field(max_length=80)], ...], Field(max_length=1000)] = ()
    """Slugs of tenants that go first, before others are taken by lot."""
    canary_soak_minutes: Annotated[int, Field(ge=0, le=14 * 24 * 60)] = 60
    approve_after_canary: bool = True
    waves: Annotated[tuple[WaveShape, ...], Field(max_length=50)] = USUAL_WAVES
    """What no wave takes makes one more, the last."""
    parallel: Share = 10
    """How many at once."""
    halt_rate: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Halted when a larger part than this of a wave's members failed."""
    halt_least: Annotated[int, Field(ge=1, le=1000)] = 5
    """Before the wave is over, the rate among those that ended counts from so many on."""
    stuck_minutes: Annotated[int, Field(ge=1, le=48 * 60)] = 120
    """A member under way for longer counts as failed and halts the campaign."""
    needs_minutes: Annotated[int, Field(ge=1, le=720)] = 15
    """How long a clinic has to be free of patients."""
    patience_hours: Annotated[int, Field(ge=1, le=60 * 24)] = 168
    """A member that finds no good time for so long is left out, and reported."""
    days: Annotated[int, Field(ge=1, le=365)] = 30
    """A campaign not over after so long is halted."""
    windows: bool = True
    """Whether maintenance windows are waited for. Patients always are."""
    why_no_windows: Annotated[str, Field(max_length=500)] | None = None

    @model_validator(mode="after")
    def _explained(self) -> "Strategy":
        if not self.windows and not (self.why_no_windows or "").strip():
            raise ValueError("say in why_no_windows why clinics are moved outside their maintenance windows")
        return self
