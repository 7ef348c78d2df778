"""Why a role cannot be made, changed or removed."""

from collections.abc import Iterable
from typing import ClassVar

from dentalpin_kit.problems import DomainError


class RoleUnknown(DomainError):
    status: ClassVar[int] = 404
    code: ClassVar[str] = "role_unknown"

    def __init__(self, name: str) -> None:
        super().__init__(f"This clinic has no role {name}. Take a name from GET /api/v1/roles.", role=name)


class RoleExists(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "role_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"This clinic has a role {name} already. Choose another name, or change that role.", role=name)


class RoleIsStandard(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "role_is_standard"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is a standard role: it stays, and builds on itself. Make a role of your own based on it.", role=name)


class AdminIsFixed(DomainError):
    """Somebody has to be able to repair the roles."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "admin_is_fixed"

    def __init__(self) -> None:
        super().__init__("The role admin cannot be changed. Make a role of your own based on it and give people that one.")


class RoleInUse(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "role_in_use"

    def __init__(self, name: str, people: int) -> None:
        super().__init__(f"{people} of the clinic's people have the role {name}. Give them another one first.", role=name, people=people)


class PermissionUnknown(DomainError):
    status: ClassVar[int] = 422
    code: ClassVar[str] = "permission_unknown"

    def __init__(self, patterns: Iterable[str]) -> None:
        unknown = sorted(patterns)
        super().__init__(
            f"No permission is named {', '.join(unknown)}. Take names from GET /api/v1/roles/-/permissions; `agenda.*` covers all below.",
            permissions=unknown,
        )


class BeyondYourOwn(DomainError):
    """Nobody gives away what they do not have."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "beyond_your_own"

    def __init__(self, permissions: Iterable[str]) -> None:
        missing = sorted(permissions)
        super().__init__(
            f"You may not give somebody what you may not do yourself: {', '.join(missing)}. Ask an administrator who may.",
            permissions=missing,
        )
