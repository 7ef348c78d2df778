"""What the platform asks of a payment provider. Every method may be repeated after dying anywhere: `key` makes it one thing there.

Raises ProviderUnavailable where asking again may help, ProviderRefused where it will not, PaymentDeclined where the bank said no.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol
from uuid import UUID

from control_plane.payments.values import (
    CheckoutOutcome,
    Happening,
    Invoice,
    Item,
    Page,
    Payer,
    Preview,
    Subscription,
)

SHORTEST_PAGE_TRIAL: Final = timedelta(hours=48)


def trial_on_page(ends: datetime | None, now: datetime) -> datetime | None:
    """Until when the trial goes that a checkout page offers. None where it is over. A page takes none that ends within two days: such a
    one is rounded up, to a whole hour, in the clinic's favour.
    """
    if ends is None or ends <= now:
        return None
    return max(ends, (now + SHORTEST_PAGE_TRIAL).replace(minute=0, second=0, microsecond=0) + timedelta(hours=2))


class PaymentProvider(Protocol):
    name: str

    async def account(self) -> str:
        """Whose money it is. The guard before anything is changed."""
        ...

    async def ensure_customer(self, payer: Payer, known: str | None = None) -> str:
        """The payer's customer at the provider, made when there is none under its reference, and told what changed."""
        ...

    async def find_customer(self, reference: str) -> str | None:
        """The customer under a reference of ours, whoever pays now."""
        ...

    async def checkout(
        self, tenant_id: UUID, customer: str, items: Sequence[Item], currency: str, *, trial_ends: datetime | None, back: str, key: str
    ) -> Page:
        """A page on which the person subscribes with a card. `back` is opened afterwards, with `?checkout=<id>` or without."""
        ...

    async def checkout_outcome(self, checkout: str) -> CheckoutOutcome: ...

    async def expire_checkout(self, checkout: str) -> None:
        """Close a page nobody will use. Closed or used already → nothing."""
        ...

    async def start_trial(
        self, tenant_id: UUID, customer: str, items: Sequence[Item], currency: str, *, trial_ends: datetime, key: str
    ) -> Subscription:
        """Subscribe without a card: it pauses when the trial ends and there is none."""
        ...

    async def portal(self, customer: str, back: str) -> Page:
        """A page on which the payer changes the card and sees the invoices."""
        ...

    async def subscription(self, id_: str) -> Subscription | None: ...

    async def subscriptions(self, customer: str) -> list[Subscription]:
        """All of a customer's, those that are over included."""
        ...

    def all_subscriptions(self) -> AsyncIterator[Subscription]:
        """Everything in the account that is not over; for reconciling."""
        ...

    async def preview(self, subscription: str, items: Sequence[Item], *, at: datetime) -> Preview:
        """What `set_items` would charge, were it confirmed with this moment."""
        ...

    async def set_items(self, subscription: str, items: Sequence[Item], *, at: datetime | None, key: str) -> Subscription:
        """Make these what is paid for, charging and crediting the rest of the period now. What is so already is left alone."""
        ...

    async def cancel(self, subscription: str, *, at_period_end: bool, key: str) -> Subscription: ...

    async def keep(self, subscription: str, *, key: str) -> Subscription:
        """Take back a cancellation that has not happened yet."""
        ...

    async def resume(self, subscription: str, *, key: str) -> Subscription:
        """Go on with one that paused because its trial ended without a card: its first period begins now. Not paused → nothing."""
        ...

    async def invoices(self, customer: str) -> list[Invoice]:
        """Newest first, drafts left out, with what was refunded and disputed."""
        ...

    async def invoice(self, id_: str) -> Invoice | None: ...

    async def pay(self, invoice: str, *, key: str) -> Invoice:
        """Collect an open invoice from the present card. Raises PaymentDeclined."""
        ...

    async def refund(self, invoice: str, amount: Decimal, *, reason: str, key: str) -> None: ...

    async def forget(self, customer: str) -> None:
        """Remove who the payer is: name, address, cards. Invoices stay, as the law of accounting asks. Gone already → nothing."""
        ...

    async def completed(self, happening: Happening) -> Happening:
        """With the customer it is about, where it names only a payment of theirs, as disputes do."""
        ...

    def read_webhook(self, body: bytes, headers: Mapping[str, str]) -> Happening:
        """Raises NotFromProvider."""
        ...

    def happenings(self, since: datetime) -> AsyncIterator[Happening]:
        """Events since then, oldest first: what a webhook did not deliver."""
        ...
