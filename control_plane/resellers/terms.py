"""What was agreed with a reseller, as values: how far it may go, what a clinic pays at least, and what the reseller gets of it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from control_plane.resellers.errors import ModulesBeyondCeiling, RegionBeyondCeiling, TooManyDemos, TooManyTenants

CENT: Final = Decimal("0.01")
HUNDRED: Final = Decimal(100)


class Payer(StrEnum):
    """Who is charged for a tenant a reseller brought."""

    CLINIC = "clinic"
    """The clinic, at the reseller's prices; the reseller gets commission on what was paid."""
    RESELLER = "reseller"
    """The reseller, at the wholesale price, which is its discount: no commission besides. What it asks of the clinic is its own matter."""


@dataclass(frozen=True, slots=True)
class Terms:
    """None: no ceiling. Percents have two decimals."""

    max_tenants: int | None = 10
    max_demos: int | None = 3
    """At a time; they do not count as tenants."""
    modules: frozenset[str] | None = None
    """Modules it may choose for its clinics; what law and dependencies add is never refused."""
    regions: frozenset[str] | None = None
    wholesale_percent: Decimal = HUNDRED
    """The floor under its own prices, and the price it pays itself, as a part of the tariff's."""
    commission_percent: Decimal = Decimal("0.00")
    """Of the net amount a clinic paid."""
    id: UUID | None = None
    """None: nothing was agreed yet, and these are the product's."""

    def refuse_tenants(self, reseller: str, present: int) -> None:
        """Raises TooManyTenants where one more would be too many."""
        if self.max_tenants is not None and present >= self.max_tenants:
            raise TooManyTenants(reseller, present, self.max_tenants)

    def refuse_demos(self, reseller: str, present: int) -> None:
        """Raises TooManyDemos where one more would be too many."""
        if self.max_demos is not None and present >= self.max_demos:
            raise TooManyDemos(reseller, present, self.max_demos)

    def refuse_modules(self, reseller: str, chosen: Iterable[str], *, before: Iterable[str] = ()) -> None:
        """Raises ModulesBeyondCeiling; what the tenant had chosen before may stay."""
        if self.modules is not None and (beyond := set(chosen) - set(before) - self.modules):
            raise ModulesBeyondCeiling(reseller, sorted(beyond), sorted(self.modules))

    def refuse_region(self, reseller: str, region: str | None) -> None:
        """Raises RegionBeyondCeiling, also where nobody said where the data lies."""
        if self.regions is not None and region not in self.regions:
            raise RegionBeyondCeiling(reseller, region, sorted(self.regions))

    def wholesale(self, listed: Decimal) -> Decimal:
        """The lowest price for what the tariff sells at `listed`."""
        return (listed * self.wholesale_percent / HUNDRED).quantize(CENT, ROUND_HALF_UP)


PRODUCTS_OWN: Final = Terms()
"""Until an operator records what was agreed: a few tenants at list price, without commission."""
