"""Resource quantities, as Kubernetes writes them."""

from decimal import Decimal
from typing import Any, Final

_SUFFIXES: Final = {
    "m": Decimal("0.001"),
    **{name: Decimal(1000**power) for power, name in enumerate("kMGT", start=1)},
    **{name: Decimal(1024**power) for power, name in enumerate(("Ki", "Mi", "Gi", "Ti"), start=1)},
}


def quantity(text: Any) -> Decimal:
    """A resource quantity: `100m`, `1.5`, `256Mi`."""
    value = str(text)
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if value.endswith(suffix):
            return Decimal(value[: -len(suffix)]) * _SUFFIXES[suffix]
    return Decimal(value)
