from typing import ClassVar

from control_plane.errors import Conflict, NotFound


class PageUnknown(NotFound):
    code: ClassVar[str] = "page_unknown"

    def __init__(self) -> None:
        super().__init__("There is no such page, or it is too old. Use the link in the mail, or sign up again.")


class FormReused(Conflict):
    code: ClassVar[str] = "form_reused"

    def __init__(self, clinic: str) -> None:
        super().__init__(f"This form has opened {clinic!r} already. Load the form again to open another clinic.", clinic=clinic)
