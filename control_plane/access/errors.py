from typing import ClassVar

from control_plane.errors import DomainError, NotFound


class NotAuthenticated(DomainError):
    status: ClassVar[int] = 401
    code: ClassVar[str] = "not_authenticated"

    def __init__(self) -> None:
        super().__init__(
            "Send an operator key as `Authorization: Bearer …`. `./dev status` names the file with the first; `./dev key` makes one."
        )


class UnknownKey(NotFound):
    code: ClassVar[str] = "unknown_key"

    def __init__(self, prefix: str) -> None:
        super().__init__(f"No operator key begins with {prefix!r}. List them with `GET /v1/keys`.", prefix=prefix)


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
