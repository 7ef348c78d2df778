from datetime import datetime
from typing import ClassVar

from control_plane.errors import Conflict, DomainError, Invalid, NotFound


class NoAgreement(NotFound):
    code: ClassVar[str] = "no_agreement"

    def __init__(self, slug: str) -> None:
        super().__init__(
            f"{slug} has no billing: nothing is charged for it. Agree on a plan first (`PUT /v1/tenants/{slug}/billing`).", tenant=slug
        )


class NotBilled(Conflict):
    """A copy or a demonstration: nobody pays for it."""

    code: ClassVar[str] = "tenant_not_billed"

    def __init__(self, slug: str, *, demonstration: bool = False) -> None:
        if demonstration:
            words = f"{slug} is a demonstration and never becomes a paying clinic. Open one afresh; that is one request."
        else:
            words = f"{slug} is a copy and is never charged for. Agree on a plan for the clinic it was made of."
        super().__init__(words, tenant=slug)


class AgreedAlready(Conflict):
    code: ClassVar[str] = "billing_agreed"

    def __init__(self, slug: str, plan: str) -> None:
        super().__init__(
            f"{slug} has agreed to the plan {plan}. Change it with `POST /v1/tenants/{slug}/billing/change`.", tenant=slug, plan=plan
        )


class ProviderNotConnected(Conflict):
    code: ClassVar[str] = "payment_provider_not_connected"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The payment provider {name} is not connected here. Set its key (docs/operators/payments.md), or choose another one.",
            provider=name,
        )


class NothingToPayHere(Conflict):
    """There is no page for it."""

    code: ClassVar[str] = "no_payment_page"

    def __init__(self, slug: str, why: str) -> None:
        super().__init__(f"{slug} has no such page at its payment provider: {why}", tenant=slug)


class PreviewOutdated(Conflict):
    code: ClassVar[str] = "preview_outdated"

    def __init__(self, why: str) -> None:
        super().__init__(f"What was shown is not what it would cost now: {why} Look at the preview again, and confirm that.")


class TrialNotOffered(Invalid):
    code: ClassVar[str] = "trial_not_offered"

    def __init__(self, most: int) -> None:
        super().__init__(f"This tariff offers a trial of at most {most} days. Ask for no more, or leave it out.", trial_days=most)


class BillingNotRead(DomainError):
    """The provider's answer cannot be taken over; a person must look."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "billing_unclear"


class UnknownInvoice(NotFound):
    code: ClassVar[str] = "unknown_invoice"

    def __init__(self, invoice: str) -> None:
        super().__init__(f"This tenant has no invoice {invoice}. `GET …/billing/invoices` lists them.", invoice=invoice)


class InvoiceElsewhere(NotFound):
    """It is its payment provider's, which shows and prints it."""

    code: ClassVar[str] = "invoice_elsewhere"

    def __init__(self, invoice: str, page: str | None) -> None:
        where = f"Open it there: {page}" if page else "Ask for the provider's pages with `POST …/billing/portal`."
        super().__init__(
            f"The invoice {invoice} is not one for a bank transfer; its payment provider shows and prints it. {where}", invoice=invoice
        )


class NothingOwed(Conflict):
    code: ClassVar[str] = "invoice_not_owed"

    def __init__(self, invoice: str, status: str) -> None:
        super().__init__(f"The invoice {invoice} is {status}: there is nothing to pay.", invoice=invoice, status=status)


class RefundTooMuch(Invalid):
    code: ClassVar[str] = "refund_too_much"

    def __init__(self, left: str) -> None:
        super().__init__(
            f"Of this invoice {left} can be given back at most: what was paid, less what was given or taken back before.", left=left
        )


class SubscriptionOver(Conflict):
    code: ClassVar[str] = "subscription_over"

    def __init__(self, slug: str, ended: datetime | None = None) -> None:
        super().__init__(f"The subscription of {slug} has ended. Agree on a plan anew (`PUT /v1/tenants/{slug}/billing`).", tenant=slug)
