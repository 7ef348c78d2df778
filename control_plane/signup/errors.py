from typing import ClassVar

from control_plane.errors import Conflict, NotFound, TemporaryError


class PageUnknown(NotFound):
    code: ClassVar[str] = "page_unknown"

    def __init__(self) -> None:
        super().__init__("There is no such page, or it is too old. Use the link in the mail, or sign up again.")


class TooBusy(TemporaryError):
    code: ClassVar[str] = "too_busy"

    def __init__(self) -> None:
        super().__init__("Many clinics are being opened right now. Send the form again in a minute; nothing of it is lost.")


class TooMany(Conflict):
    code: ClassVar[str] = "too_many"

    def __init__(self, email: str) -> None:
        super().__init__(f"{email} has opened several clinics today. Open the next one tomorrow, or ask us to do it.", email=email)


class FormReused(Conflict):
    code: ClassVar[str] = "form_reused"

    def __init__(self, clinic: str) -> None:
        super().__init__(f"This form has opened {clinic!r} already. Load the form again to open another clinic.", clinic=clinic)
