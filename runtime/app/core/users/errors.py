"""Why somebody cannot be invited, changed or helped."""

from typing import ClassVar

from dentalpin_kit.problems import DomainError


class PersonUnknown(DomainError):
    status: ClassVar[int] = 404
    code: ClassVar[str] = "person_unknown"

    def __init__(self) -> None:
        super().__init__("Nobody with this id works in this clinic. Take an id from GET /api/v1/users.")


class AlreadyHere(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "already_here"

    def __init__(self) -> None:
        super().__init__("Somebody with this e-mail address works in this clinic already, or did. Change or enable them instead.")


class LastAdmin(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "last_admin"

    def __init__(self) -> None:
        super().__init__("This is the only administrator who can sign in here. Make somebody else one first.")


class OwnerProtected(DomainError):
    status: ClassVar[int] = 403
    code: ClassVar[str] = "owner_protected"

    def __init__(self) -> None:
        super().__init__("This account belongs to the owner; only they can change it. Their way in is the platform's invitation.")


class NotYourself(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "not_yourself"

    def __init__(self) -> None:
        super().__init__("You cannot do this to yourself. Ask another administrator, or use your own account's routes under /api/v1/auth.")


class AccountShared(DomainError):
    """Whoever may set somebody's password could act as them everywhere."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "account_shared"

    def __init__(self) -> None:
        super().__init__(
            "This person also works in a clinic where you do not manage people, so their account is not yours to open. "
            "They can ask for a link by mail, or at that clinic."
        )


class CannotMail(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "cannot_mail"

    def __init__(self) -> None:
        super().__init__("This clinic's server sends no mail. Ask for the link itself: `deliver`: `link`.")
