"""What a new module set would change for a tenant, and why. Pure; the answer of `plan`."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from pydantic import BaseModel

from control_plane.payments.values import InvoiceLine
from control_plane.revisions.document import ModulePart, ReasonPart

ZERO: Final = Decimal("0.00")
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
    """Net, a month, by what the tenant agreed to; where nothing is agreed, by what it would agree to today."""

    agreed: bool
    """Whether anybody pays for the tenant: only then anything is charged."""
    plan: str
    tariff: str
    currency: str
    before: Decimal
    after: Decimal
    now: Decimal | None = None
    """Charged at once, before tax; negative: credited. Null where nobody pays, or where the provider could not be asked."""
    lines: list[InvoiceLine] = []
    """What `now` is made of."""
    trial_ends: datetime | None = None
    """Until then nothing is charged."""
    at: datetime | None = None
    """The moment `now` was reckoned with."""
    confirmation: str | None = None
    """With `at`: confirms exactly this (`POST …/billing/change`), for an hour."""


def changes_between(
    before: Iterable[ModulePart], after: Iterable[ModulePart], chosen: frozenset[str], prices: Mapping[str, Decimal]
) -> list[ModuleChange]:
    """Every module of either set with what happens to it: removals in reverse order of installation, then the rest in order.

    `prices` by module; one that is not among them costs nothing.
    """
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
            price=prices.get(name, ZERO),
        )
        for name in reversed(old)
        if name not in new
    ]
    return removed + [_change(old.get(name), module, chosen, prices) for name, module in new.items()]


def _change(before: ModulePart | None, after: ModulePart, chosen: frozenset[str], prices: Mapping[str, Decimal]) -> ModuleChange:
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
        price=prices.get(after.name, ZERO),
    )


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))
