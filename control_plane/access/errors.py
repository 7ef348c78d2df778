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
