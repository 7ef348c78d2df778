from typing import ClassVar

from control_plane.errors import Conflict, DomainError, TemporaryError


class ProviderUnavailable(TemporaryError):
    """The provider does not answer, or asks to be asked less often; the same call may succeed later."""

    code: ClassVar[str] = "payment_provider_unavailable"

    def __init__(self, what: str) -> None:
        super().__init__(f"The payment provider does not answer at the moment ({what}). Nothing was changed; it is tried again.")


class ProviderRefused(DomainError):
    """The provider refuses for good: a key, a permission or what is asked is wrong. A person must act."""

    status: ClassVar[int] = 502
    code: ClassVar[str] = "payment_provider_refused"

    def __init__(self, what: str, *, provider_code: str | None = None) -> None:
        super().__init__(f"The payment provider refuses: {what}", provider_code=provider_code)


class PaymentDeclined(DomainError):
    """The bank said no, or wants to ask the cardholder."""

    status: ClassVar[int] = 402
    code: ClassVar[str] = "payment_declined"

    def __init__(self, what: str, *, decline_code: str | None = None, ask_at: str | None = None) -> None:
        advice = f" Confirm the payment at {ask_at}." if ask_at else " Use another card, or speak to the bank."
        super().__init__(what.rstrip(".") + "." + advice, decline_code=decline_code, ask_at=ask_at)
        self.reason = what
        """In the bank's words."""


class WrongAccount(Conflict):
    """The key opens another account than the one this platform's customers are in: nothing may be changed with it."""

    code: ClassVar[str] = "payment_wrong_account"

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(
            f"The payment provider's key belongs to the account {found}, and this platform's customers are in {expected}. Nothing was "
            "changed. Put the right key back (DENTALPIN_STRIPE_KEY).",
            expected=expected,
            found=found,
        )


class NotFromProvider(DomainError):
    status: ClassVar[int] = 400
    code: ClassVar[str] = "webhook_signature_invalid"

    def __init__(self) -> None:
        super().__init__("This message was not signed with the secret of this endpoint, or is too old. Nothing was done.")
