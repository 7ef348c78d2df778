"""What a new module set would change for a tenant, and why. Pure; the answer of `plan`."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel

from control_plane.prices import PriceList
from control_plane.revisions.document import ModulePart, ReasonPart

Action = Literal["install", "remove", "upgrade", "downgrade", "keep"]


class ModuleChange(BaseModel):
    name: str
    action: Action
    from_version: str | None
    to_version: str | None
    reason: ReasonPart | None
    why: str
    price: Decimal


class PriceChange(BaseModel):
    """Net, a month."""

    currency: str
    before: Decimal
    after: Decimal


def changes_between(
    before: Iterable[ModulePart], after: Iterable[ModulePart], chosen: frozenset[str], prices: PriceList
) -> list[ModuleChange]:
    """Every module of either set with what happens to it: removals in reverse order of installation, then the rest in order."""
    old = {module.name: module for module in before}
    new = {module.name: module for module in after}
    removed = [
        ModuleChange(
            name=name,
            action="remove",
            from_version=old[name].version,
            to_version=None,
            reason=None,
            why="No longer chosen" if old[name].reason.kind == "chosen" else "Nothing needs it any more",
            price=prices.of(name),
        )
        for name in reversed(old)
        if name not in new
    ]
    return removed + [_change(old.get(name), module, chosen, prices) for name, module in new.items()]


def _change(before: ModulePart | None, after: ModulePart, chosen: frozenset[str], prices: PriceList) -> ModuleChange:
    action: Action = "keep"
    if before is None:
        action = "install"
    elif before.version != after.version:
        action = "upgrade" if _key(before.version) < _key(after.version) else "downgrade"
    why = after.reason.text
    if before is not None and before.reason.kind == "chosen" and after.name not in chosen:
        why = f"Stays although it is no longer chosen. {why}"
    return ModuleChange(
        name=after.name,
        action=action,
        from_version=before.version if before else None,
        to_version=after.version,
        reason=after.reason,
        why=why,
        price=prices.of(after.name),
    )


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))


def price_change(before: Mapping[str, object], after: Mapping[str, object], prices: PriceList) -> PriceChange:
    return PriceChange(currency=prices.currency, before=prices.total(before), after=prices.total(after))
