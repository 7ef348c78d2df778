from typing import ClassVar, Final
from uuid import UUID

from app.core.errors import DomainError


class UnknownAccess(DomainError):
    status: ClassVar[int] = 404
    code: ClassVar[str] = "support_access_unknown"

    def __init__(self, access_id: UUID) -> None:
        super().__init__("There is no such request for support access here. Look at the list: GET /api/v1/support.", access=str(access_id))


class AccessOver(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "support_access_over"

    def __init__(self, access_id: UUID, state: str) -> None:
        super().__init__(
            f"This request for support access is {state}: it cannot be answered or ended any more. Support may ask again.",
            access=str(access_id),
            state=state,
        )


class SupportRefused(DomainError):
    """What a support session may not do; one of those below."""

    status: ClassVar[int] = 403


class SupportSessionOver(SupportRefused):
    status: ClassVar[int] = 401
    code: ClassVar[str] = "support_session_over"

    def __init__(self) -> None:
        super().__init__("This support session is over: its time has passed, or the clinic or the platform ended it. Ask the clinic again.")


class SupportPassUsed(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "support_pass_used"

    def __init__(self) -> None:
        super().__init__("This pass was used already. The platform gives another while the clinic's consent is in force.")


class SupportReadsOnly(SupportRefused):
    code: ClassVar[str] = "support_reads_only"

    def __init__(self) -> None:
        super().__init__("Support looks at a clinic and changes nothing in it. Ask the clinic to do it.")


class SupportNoExport(SupportRefused):
    code: ClassVar[str] = "support_no_export"

    def __init__(self) -> None:
        super().__init__("Support takes nothing along: exports, files and anything that cannot be masked stay with the clinic.")


class SupportNoSearch(SupportRefused):
    """Who may type a name and see whether something is found has found out who is a patient here."""

    code: ClassVar[str] = "support_no_search"

    def __init__(self, names: list[str]) -> None:
        super().__init__(
            f"Support cannot search by text: leave out {', '.join(names)}. Ask the clinic for the identifier of the record.", fields=names
        )


class SupportCannotSee(SupportRefused):
    code: ClassVar[str] = "support_cannot_see"

    def __init__(self) -> None:
        super().__init__("Support cannot open this. It sees what the clinic's modules answer, masked, and the state of modules and jobs.")


CODES: Final = frozenset(each.code for each in (SupportSessionOver, SupportReadsOnly, SupportNoExport, SupportNoSearch, SupportCannotSee))
"""What a support session is told in our own words."""
