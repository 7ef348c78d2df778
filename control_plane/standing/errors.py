from datetime import datetime
from typing import ClassVar

from control_plane.errors import Conflict, Invalid


class ModulesWaitForPayment(Conflict):
    """On this rung of non-payment no modules are chosen anew. What the law adds is added whoever owes whom."""

    code: ClassVar[str] = "modules_wait_for_payment"

    def __init__(self, slug: str, why: str, pay_at: str, *, rung: str, modules: list[str]) -> None:
        named = f"{', '.join(modules)} cannot be added to {slug!r}" if modules else f"The modules of {slug!r} cannot be changed"
        super().__init__(
            f"{named}: {why}. Its owner settles that at {pay_at}; then it is possible at once.", rung=rung, modules=modules, pay_at=pay_at
        )


class NothingToExtend(Conflict):
    code: ClassVar[str] = "nothing_to_extend"

    def __init__(self, slug: str) -> None:
        super().__init__(f"The payments of {slug!r} are in order: there is nothing to extend.", slug=slug)


class ExtensionInPast(Invalid):
    code: ClassVar[str] = "extension_in_past"

    def __init__(self, until: datetime, latest: datetime) -> None:
        super().__init__(
            f"An extension ends in the future and not after {latest:%d %B %Y}; {until:%d %B %Y} is not between. Give another day.",
            until=until.isoformat(),
        )
