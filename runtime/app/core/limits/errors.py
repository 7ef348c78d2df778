from typing import ClassVar, Final

from dentalpin_kit.problems import DomainError

_WORDS: Final = {
    "clinics": ("{allowed} clinic(s)", "Close none: they all go on. A further clinic needs a larger plan."),
    "users": ("{allowed} people", "Disable somebody who has left, or choose a larger plan."),
    "storage_gb": ("{allowed} GB", "What is stored stays readable. Choose a larger plan to store more."),
}


class PlanLimitReached(DomainError):
    """Something more than the plan has room for was to be added; nothing that exists is touched."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "plan_limit_reached"

    def __init__(self, plan: str | None, limit: str, allowed: int, present: float) -> None:
        room, way_out = _WORDS[limit]
        named = f"The plan {plan}" if plan else "The clinic's plan"
        super().__init__(
            f"{named} has room for {room.format(allowed=allowed)}, and there are {present:g}. {way_out} "
            "The clinic's owner changes the plan where the clinic was signed up.",
            plan=plan,
            limit=limit,
            allowed=allowed,
            present=present,
        )
