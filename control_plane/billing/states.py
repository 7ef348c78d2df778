"""Where an agreement stands. Not a machine of ours: it is the provider's answer, taken over as it was read last."""

from enum import StrEnum

from control_plane.payments.values import SubscriptionStatus


class AgreementStatus(StrEnum):
    NEW = "new"
    """Agreed here; the provider has no subscription of it yet."""
    INCOMPLETE = "incomplete"
    """The first payment is not through."""
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    """The trial ended without a card. Nothing is owed: that is no unpaid invoice."""
    CANCELED = "canceled"
    EXPIRED = "incomplete_expired"

    @classmethod
    def of(cls, status: SubscriptionStatus) -> "AgreementStatus":
        return cls(status.value)

    @property
    def over(self) -> bool:
        return self in (AgreementStatus.CANCELED, AgreementStatus.EXPIRED)


class Begins(StrEnum):
    """How a subscription comes about."""

    TRIAL = "trial"
    """The platform starts it, without a card."""
    CHECKOUT = "checkout"
    """The person does, on the provider's page, with a card: with a trial or without."""
    INVOICE = "invoice"
    """The platform starts it, and invoices are paid by bank transfer."""


class PayerKind(StrEnum):
    CLINIC = "clinic"
    RESELLER = "reseller"


class ProviderName(StrEnum):
    STRIPE = "stripe"
    MANUAL = "manual"
