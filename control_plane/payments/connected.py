"""The providers this platform is connected to, by name. Built once per process from the settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from control_plane.billing.errors import ProviderNotConnected
from control_plane.billing.states import ProviderName
from control_plane.config import Settings
from control_plane.database import Database
from control_plane.payments.manual.provider import ManualProvider
from control_plane.payments.provider import PaymentProvider
from control_plane.payments.stripe_provider import StripeProvider


@dataclass(frozen=True)
class Payments:
    by_name: Mapping[ProviderName, PaymentProvider]
    demonstration: bool = False
    """Whether cards go to the double: no money moves, and every page says so."""
    verified: set[ProviderName] = field(default_factory=set)
    """Those whose account was found to be the right one since this process began; a key never changes its account."""

    @classmethod
    def build(cls, settings: Settings, database: Database, now: Callable[[], datetime]) -> "Payments":
        found: dict[ProviderName, PaymentProvider] = {}
        key = _secret(settings.stripe_key, settings.stripe_key_file)
        if key is not None:
            secret = _secret(settings.stripe_webhook_secret, settings.stripe_webhook_secret_file)
            found[ProviderName.STRIPE] = StripeProvider(key, webhook_secret=secret, base_url=settings.stripe_url)
        if settings.bank_account is not None:
            found[ProviderName.MANUAL] = ManualProvider(
                database,
                now,
                tax_percent=settings.invoice_tax_percent,
                due_days=settings.invoice_due_days,
                issuer=settings.invoice_issuer,
                pay_to=settings.bank_account,
            )
        return cls(found, demonstration=key is not None and settings.stripe_url is not None)

    @property
    def default(self) -> ProviderName:
        """Cards where they can be taken, else bank transfer."""
        return ProviderName.STRIPE if ProviderName.STRIPE in self.by_name else ProviderName.MANUAL

    def get(self, name: ProviderName) -> PaymentProvider:
        """Raises ProviderNotConnected."""
        if name not in self.by_name:
            raise ProviderNotConnected(name)
        return self.by_name[name]


def _secret(given: SecretStr | None, file: Path | None) -> str | None:
    """A secret from the environment, or from a file as orchestrators mount them."""
    if given is not None:
        return given.get_secret_value()
    return file.read_text(encoding="utf-8").strip() if file is not None else None
