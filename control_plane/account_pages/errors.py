from typing import ClassVar

from control_plane.errors import DomainError


class LinkOver(DomainError):
    status: ClassVar[int] = 410
    code: ClassVar[str] = "sign_in_link_over"

    def __init__(self) -> None:
        super().__init__("This link was used already, or is too old. Ask for another one; it arrives within a minute.")
