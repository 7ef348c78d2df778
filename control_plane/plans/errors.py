from collections.abc import Iterable
from typing import ClassVar

from control_plane.errors import Conflict, DomainError, NotFound


class UnknownPlan(NotFound):
    code: ClassVar[str] = "plan_unknown"

    def __init__(self, plan: str, known: Iterable[str]) -> None:
        super().__init__(f"There is no plan {plan!r}. Choose one of: {', '.join(sorted(known))}.", plan=plan)


class PlanRetired(Conflict):
    """Those who have it keep it; nobody new gets it."""

    code: ClassVar[str] = "plan_retired"

    def __init__(self, plan: str, offered: Iterable[str]) -> None:
        super().__init__(f"The plan {plan} is not offered any more. Choose one of: {', '.join(sorted(offered))}.", plan=plan)


class CurrencyNotOffered(DomainError):
    status: ClassVar[int] = 422
    code: ClassVar[str] = "currency_not_offered"

    def __init__(self, currency: str, offered: Iterable[str]) -> None:
        super().__init__(f"There are no prices in {currency}. Choose one of: {', '.join(sorted(offered))}.", currency=currency)


class LimitExceeded(Conflict):
    """What a tenant has does not fit into what it wants to pay for."""

    code: ClassVar[str] = "plan_limit_exceeded"

    def __init__(self, plan: str, over: dict[str, tuple[int, int]]) -> None:
        words = ", ".join(f"{name}: {has} of {limit}" for name, (has, limit) in sorted(over.items()))
        super().__init__(
            f"The plan {plan} is too small for what is there ({words}). Choose a larger plan, or reduce first what is over.",
            plan=plan,
            over={name: {"present": has, "limit": limit} for name, (has, limit) in over.items()},
        )


class UnknownTariff(NotFound):
    code: ClassVar[str] = "tariff_unknown"

    def __init__(self, tariff: str) -> None:
        super().__init__(f"There is no tariff {tariff!r}. `GET /v1/tariffs` lists them.", tariff=tariff)


class TariffTaken(Conflict):
    """Agreements name a tariff by its id: it never says anything else."""

    code: ClassVar[str] = "tariff_taken"

    def __init__(self, tariff: str) -> None:
        super().__init__(f"The tariff {tariff} exists and says something else. Give this one another id ({tariff}b).", tariff=tariff)
