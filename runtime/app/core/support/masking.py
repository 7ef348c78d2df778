"""Hiding what may be a patient's in an answer: everything but structure, identifiers and what its author marked with SHOWN. Pure.

The mask follows the model an answer was declared with. Text becomes dots; numbers, dates and yes-or-no become nothing, since a weight, a
birth date or `pregnant` is a patient's too. Keys that are not a model's own are hidden with what they hold. An identifier (UUID) stays: it
says nothing of whom it stands for, and is how support and the clinic speak of a record.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel

from .marking import Shown

HIDDEN: Final = "•••"
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Mask:
    """How to hide one value: wholly shown, member by member, item by item, or (none of these) hidden."""

    shown: bool = False
    members: Mapping[str, "Mask"] | None = None
    items: "Mask | None" = field(default=None)


OPAQUE: Final = Mask()
_SHOWN: Final = Mask(shown=True)


@lru_cache(maxsize=512)
def mask_of(model: Any) -> Mask:
    """The mask of what is declared as `model`: a Pydantic model, a list of them, or anything else, which is hidden."""
    return _mask(model, (), frozenset())


def _mask(kind: Any, metadata: Sequence[Any], inside: frozenset[type]) -> Mask:
    if any(isinstance(each, Shown) or each is Shown for each in metadata):
        return _SHOWN
    origin = get_origin(kind)
    if origin is Annotated:
        inner, *further = get_args(kind)
        return _mask(inner, further, inside)
    if origin in (Union, UnionType):
        others = [each for each in get_args(kind) if each is not NoneType]
        # Of several models it is not known which one it is: nothing is shown that not all of them show.
        return _mask(others[0], (), inside) if len(others) == 1 else OPAQUE
    if origin in (list, tuple, set, frozenset, Sequence):
        items = {each for each in get_args(kind) if each is not Ellipsis}
        return Mask(items=_mask(items.pop(), (), inside)) if len(items) == 1 else OPAQUE
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in inside:
        return Mask(
            members={
                name: _mask(each.annotation, each.metadata, inside | {kind})
                for attribute, each in kind.model_fields.items()
                for name in {attribute, each.alias, each.serialization_alias}
                if name is not None
            }
        )
    return OPAQUE


def masked(value: Any, mask: Mask) -> Any:
    """The value as support sees it."""
    if mask.shown or value is None:
        return value
    if isinstance(value, dict):
        if mask.members is None:
            return HIDDEN
        return {name: masked(each, mask.members.get(name, OPAQUE)) for name, each in value.items() if name in mask.members}
    if isinstance(value, list):
        return [masked(each, mask.items or OPAQUE) for each in value]
    if isinstance(value, str):
        return value if _UUID.fullmatch(value) else HIDDEN
    return None
