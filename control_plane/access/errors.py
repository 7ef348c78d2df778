from typing import ClassVar
from uuid import UUID

from control_plane.errors import Conflict, DomainError, Invalid, NotFound


class NotAuthenticated(DomainError):
    status: ClassVar[int] = 401
    code: ClassVar[str] = "not_authenticated"

    def __init__(self) -> None:
        super().__init__(
            "Send a key as `Authorization: Bearer …`, or sign in with `POST /v1/session`. "
            "`./dev status` names the file with the first key; `./dev key` makes one."
        )


class SignInRefused(DomainError):
    status: ClassVar[int] = 401
    code: ClassVar[str] = "sign_in_refused"

    def __init__(self) -> None:
        super().__init__("The e-mail address, the password or the code is wrong, or the account was disabled. Ask an administrator.")


class SecondFactorNeeded(DomainError):
    status: ClassVar[int] = 401
    code: ClassVar[str] = "second_factor_needed"

    def __init__(self) -> None:
        super().__init__("This account has a second factor: send the six digits of the authenticator app as `code` too.")


class SecondFactorMissing(DomainError):
    status: ClassVar[int] = 403
    code: ClassVar[str] = "second_factor_missing"

    def __init__(self) -> None:
        super().__init__("Operators need a second factor. Begin with `POST /v1/session/second-factor`, and confirm it with a code.")


class SecondFactorEnrolled(Conflict):
    code: ClassVar[str] = "second_factor_enrolled"

    def __init__(self) -> None:
        super().__init__("This account has a second factor already. An administrator can take it away.")


class SecondFactorWrong(Invalid):
    code: ClassVar[str] = "second_factor_wrong"

    def __init__(self) -> None:
        super().__init__("The code is wrong or was used already. Wait for the next one; compare the clocks of the phone and the platform.")


class NoSecondFactor(Conflict):
    code: ClassVar[str] = "no_second_factor"

    def __init__(self) -> None:
        super().__init__("This account has no second factor. Begin with `POST /v1/session/second-factor`.")


class PasswordWrong(DomainError):
    status: ClassVar[int] = 403
    code: ClassVar[str] = "password_wrong"

    def __init__(self) -> None:
        super().__init__("This is not your present password. Who forgot it asks an administrator for an invitation.")


class ForeignOrigin(DomainError):
    status: ClassVar[int] = 403
    code: ClassVar[str] = "foreign_origin"

    def __init__(self) -> None:
        super().__init__("A page of another site may not act with this session. Use the platform's own address, or a key.")


class NeedsASession(DomainError):
    status: ClassVar[int] = 403
    code: ClassVar[str] = "session_needed"

    def __init__(self) -> None:
        super().__init__("This is done in person: sign in with `POST /v1/session`; a key cannot do it.")


class TooManyAttempts(DomainError):
    status: ClassVar[int] = 429
    code: ClassVar[str] = "too_many_attempts"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many attempts. Wait {seconds} seconds and try again.", retry_after=seconds)


class TooManyRequests(DomainError):
    status: ClassVar[int] = 429
    code: ClassVar[str] = "too_many_requests"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many requests within a minute. Wait {seconds} seconds; nothing was done.", retry_after=seconds)


class PasswordTooWeak(Invalid):
    code: ClassVar[str] = "password_too_weak"

    def __init__(self, minimum: int, maximum: int) -> None:
        super().__init__(
            f"Choose a password of {minimum} to {maximum} characters that is not easy to guess; a few words together are easy to remember."
        )


class UnknownKey(NotFound):
    code: ClassVar[str] = "unknown_key"

    def __init__(self, prefix: str) -> None:
        super().__init__(f"No key of yours begins with {prefix!r}. List them with `GET /v1/keys`.", prefix=prefix)


class KeyOver(Conflict):
    code: ClassVar[str] = "key_over"

    def __init__(self, prefix: str) -> None:
        super().__init__(f"The key {prefix!r} is revoked or has expired: it cannot be rotated. Make a new one.", prefix=prefix)


class KeyOfAnother(DomainError):
    """Whoever is shown a key acts as the person it is of."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "key_of_another"

    def __init__(self, prefix: str) -> None:
        super().__init__(f"The key {prefix!r} is another person's: they rotate it themselves. You can revoke it.", prefix=prefix)


class ScopeUnknown(Invalid):
    code: ClassVar[str] = "scope_unknown"

    def __init__(self, scopes: list[str]) -> None:
        named = ", ".join(scopes)
        super().__init__(f"{named}: no such scope, or one you do not have yourself. `GET /v1/session` lists yours.", scopes=scopes)


class UnknownAccount(NotFound):
    code: ClassVar[str] = "unknown_account"

    def __init__(self, account_id: UUID) -> None:
        super().__init__(f"There is no account {account_id}. `GET /v1/accounts` lists them.", account_id=str(account_id))


class UnknownReseller(NotFound):
    code: ClassVar[str] = "unknown_reseller"

    def __init__(self, reseller_id: UUID) -> None:
        super().__init__(f"There is no reseller {reseller_id}. `GET /v1/resellers` lists them.", reseller_id=str(reseller_id))


class UnknownGrant(NotFound):
    code: ClassVar[str] = "unknown_grant"

    def __init__(self, grant_id: UUID) -> None:
        super().__init__(f"This tenant has no grant {grant_id} in force.", grant_id=str(grant_id))


class AccountExists(Conflict):
    code: ClassVar[str] = "account_exists"

    def __init__(self, email: str) -> None:
        super().__init__(f"There is an account for {email} already. Change that one.", email=email)


class ResellerExists(Conflict):
    code: ClassVar[str] = "reseller_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a reseller named {name!r} already.", name=name)


class RoleUnfit(Invalid):
    code: ClassVar[str] = "role_unfit"

    def __init__(self, kind: str, role: str) -> None:
        super().__init__(f"An account of kind {kind!r} cannot have the role {role!r}; staff of a reseller name it, others do not.")


class InvitationOver(Invalid):
    code: ClassVar[str] = "invitation_over"

    def __init__(self) -> None:
        super().__init__("This invitation was used, replaced or has expired. Ask an administrator for a new one.")


class ScopeNeeded(DomainError):
    status: ClassVar[int] = 403
    code: ClassVar[str] = "scope_needed"

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"This needs the scope {scope!r}, which this key or account does not have. Use a key that has it, or ask an administrator.",
            scope=scope,
        )


class ForOperators(DomainError):
    status: ClassVar[int] = 403
    code: ClassVar[str] = "for_operators"

    def __init__(self) -> None:
        super().__init__("This concerns the whole platform and is for its operators. What is yours is under `/v1/tenants/{slug}`.")
