"""Why somebody may not come in or do something; each message says what to do."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from dentalpin_kit.problems import DomainError


class NotSignedIn(DomainError):
    status: ClassVar[int] = 401
    code: ClassVar[str] = "not_signed_in"

    def __init__(self) -> None:
        super().__init__("Sign in first: send the access token of POST /api/v1/auth/login as `Authorization: Bearer …`.")


class SessionEnded(DomainError):
    status: ClassVar[int] = 401
    code: ClassVar[str] = "session_ended"

    def __init__(self) -> None:
        super().__init__("This session has ended. Get a new access token with the refresh token, or sign in again.")


class RefreshRefused(DomainError):
    status: ClassVar[int] = 401
    code: ClassVar[str] = "refresh_refused"

    def __init__(self) -> None:
        super().__init__("This refresh token is not valid any more. Sign in again.")


class RefreshReused(DomainError):
    status: ClassVar[int] = 401
    code: ClassVar[str] = "refresh_reused"

    def __init__(self) -> None:
        super().__init__(
            "This refresh token was used before, so somebody may have copied it. The session was ended everywhere; sign in again."
        )


class WrongCredentials(DomainError):
    status: ClassVar[int] = 401
    code: ClassVar[str] = "wrong_credentials"

    def __init__(self) -> None:
        super().__init__("E-mail address or password is wrong. Check both and try again.")


class SecondFactorNeeded(DomainError):
    """The password was right; `pending` goes with the code to POST /api/v1/auth/login/second-factor."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "second_factor_needed"

    def __init__(self, pending: str, expires_in: int) -> None:
        super().__init__(
            "Now the code of your authenticator app: send it with `pending` to POST /api/v1/auth/login/second-factor.",
            pending=pending,
            expires_in=expires_in,
        )


class SignInExpired(DomainError):
    status: ClassVar[int] = 401
    code: ClassVar[str] = "sign_in_expired"

    def __init__(self) -> None:
        super().__init__("Too much time passed since the password. Sign in again from the start.")


class SecondFactorWrong(DomainError):
    status: ClassVar[int] = 401
    code: ClassVar[str] = "second_factor_wrong"

    def __init__(self) -> None:
        super().__init__("This code is not right, or was used before. Wait for the next one, or use a recovery code.")


class SecondFactorRequired(DomainError):
    """The clinic asks for it; everything that needs no clinic goes on, so that it can be set up."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "second_factor_required"

    def __init__(self) -> None:
        super().__init__("This clinic asks everybody for a second factor. Set one up first: POST /api/v1/auth/second-factor.")


class SecondFactorEnrolled(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "second_factor_enrolled"

    def __init__(self) -> None:
        super().__init__("A second factor is in force already. Remove it first: POST /api/v1/auth/second-factor/remove.")


class NoSecondFactor(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "no_second_factor"

    def __init__(self) -> None:
        super().__init__("There is no second factor. Set one up first: POST /api/v1/auth/second-factor.")


class SecondFactorUnreadable(DomainError):
    """The key it was sealed with is not here any more: recovery codes still work."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "second_factor_unreadable"

    def __init__(self) -> None:
        super().__init__(
            "The clinic's key was changed, so codes cannot be checked. Use a recovery code, or ask an administrator to reset it."
        )


class SessionUnknown(DomainError):
    status: ClassVar[int] = 404
    code: ClassVar[str] = "session_unknown"

    def __init__(self) -> None:
        super().__init__("You have no such session, or it has ended. Take an id from GET /api/v1/auth/sessions.")


class LinkRefused(DomainError):
    """A link to set a password that does not open anything."""

    status: ClassVar[int] = 410
    code: ClassVar[str] = "link_refused"

    def __init__(self) -> None:
        super().__init__("This link has expired, was used, or was replaced by a newer one. Ask for another.")


class PasswordWrong(DomainError):
    status: ClassVar[int] = 403
    code: ClassVar[str] = "password_wrong"

    def __init__(self) -> None:
        super().__init__("This is not your password. Type your present one.")


class TooManyAttempts(DomainError):
    status: ClassVar[int] = 429
    code: ClassVar[str] = "too_many_attempts"

    def __init__(self, retry_after: int) -> None:
        minutes = max(1, round(retry_after / 60))
        super().__init__(f"Too many attempts. Wait {minutes} minute{'s' if minutes > 1 else ''}, then try again.", retry_after=retry_after)


class PermissionDenied(DomainError):
    status: ClassVar[int] = 403
    code: ClassVar[str] = "permission_denied"

    def __init__(self, permission: str, role: str) -> None:
        super().__init__(
            f"As {role} you may not do this: it needs {permission}. Ask an administrator of the clinic.", permission=permission, role=role
        )


class CrossOrigin(DomainError):
    status: ClassVar[int] = 403
    code: ClassVar[str] = "cross_origin"

    def __init__(self) -> None:
        super().__init__("This request came from another site. Open the clinic's own address and try again there.")


class ClinicNotChosen(DomainError):
    status: ClassVar[int] = 400
    code: ClassVar[str] = "clinic_not_chosen"

    def __init__(self, clinics: Iterable[Mapping[str, str]]) -> None:
        super().__init__("You work in several clinics: say which one with the header X-Clinic-Id.", clinics=list(clinics))


class ClinicIdInvalid(DomainError):
    status: ClassVar[int] = 400
    code: ClassVar[str] = "clinic_id_invalid"

    def __init__(self) -> None:
        super().__init__("X-Clinic-Id (or ?clinic_id=) is not a UUID; take an id from GET /api/v1/clinics.")


class NotAMember(DomainError):
    """The same for a clinic that does not exist, so that ids cannot be tried out."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "not_a_member"

    def __init__(self) -> None:
        super().__init__("You do not work in this clinic. Take an id from GET /api/v1/clinics, or ask an administrator to add you.")


class NoMembership(DomainError):
    status: ClassVar[int] = 403
    code: ClassVar[str] = "no_membership"

    def __init__(self) -> None:
        super().__init__("You are signed in, but work in no clinic here. Ask an administrator to add you.")


class PasswordTooWeak(DomainError):
    status: ClassVar[int] = 422
    code: ClassVar[str] = "password_too_weak"


class WelcomeRefused(DomainError):
    """A link of an invitation that does not open anything; the codes tell the page what to say."""

    status: ClassVar[int] = 410


class WelcomeExpired(WelcomeRefused):
    code: ClassVar[str] = "welcome_expired"

    def __init__(self) -> None:
        super().__init__("This link has expired. Ask for a new one where the clinic was signed up; it arrives by mail.")


class WelcomeUnreadable(WelcomeRefused):
    status: ClassVar[int] = 400
    code: ClassVar[str] = "welcome_unreadable"

    def __init__(self) -> None:
        super().__init__("This link is not complete, or belongs to another clinic. Copy the whole link from the mail.")


class WelcomeOutdated(WelcomeRefused):
    code: ClassVar[str] = "welcome_outdated"

    def __init__(self) -> None:
        super().__init__("A newer invitation was sent; only its link opens this page. Look for the latest mail.")


class WelcomeUsed(WelcomeRefused):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "welcome_used"

    def __init__(self) -> None:
        super().__init__("This link was used before. Sign in with the password that was set.")


class OwnerHasPassword(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "owner_has_password"

    def __init__(self) -> None:
        super().__init__("The owner has set a password, so no further invitation is needed. Sign in instead.")


class AddressTaken(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "address_taken"

    def __init__(self) -> None:
        super().__init__("Another person of this clinic uses this e-mail address; invite the owner at another one.")


class NoOwner(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "no_owner"

    def __init__(self) -> None:
        super().__init__("This runtime has no owner to invite; start it with a revision that names one.")


class NoPlatform(DomainError):
    status: ClassVar[int] = 404
    code: ClassVar[str] = "no_platform"

    def __init__(self) -> None:
        super().__init__("No platform runs this clinic (it adopted no revision), so there are no invitations from one.")
