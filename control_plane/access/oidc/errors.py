from typing import ClassVar

from control_plane.errors import DomainError, NotFound, TemporaryError


class OidcNotConfigured(NotFound):
    code: ClassVar[str] = "oidc_not_configured"

    def __init__(self) -> None:
        super().__init__("No identity provider is set here. Sign in with a password, or set DENTALPIN_OIDC_ISSUER and …_CLIENT_ID.")


class OidcAway(TemporaryError):
    code: ClassVar[str] = "oidc_away"

    def __init__(self, what: str) -> None:
        super().__init__(f"The identity provider cannot be used at the moment: {what}. Try again, or sign in with a password.")


class OidcReturnRefused(DomainError):
    """What came back is no answer to a sign-in that this browser began."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "oidc_return_refused"

    def __init__(self, why: str) -> None:
        super().__init__(f"This sign-in cannot be finished: {why}. Begin again: GET /v1/session/oidc.")


class IdTokenRefused(DomainError):
    status: ClassVar[int] = 401
    code: ClassVar[str] = "oidc_token_refused"

    def __init__(self, why: str) -> None:
        super().__init__(f"The identity provider's token proves nothing here: {why}. Begin again.")


class OidcNoAccount(DomainError):
    status: ClassVar[int] = 403
    code: ClassVar[str] = "oidc_no_account"

    def __init__(self) -> None:
        super().__init__("No operator's account here is yours. Ask an administrator to make one with your address.")


class OidcWithoutSecondFactor(DomainError):
    status: ClassVar[int] = 403
    code: ClassVar[str] = "oidc_without_second_factor"

    def __init__(self) -> None:
        super().__init__(
            "The identity provider did not say that it asked for a second factor. Have it ask and say so (`amr`), or, where it "
            "always asks, set DENTALPIN_OIDC_SECOND_FACTOR=always."
        )
