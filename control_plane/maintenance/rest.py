"""Asking a runtime when no patient is there, and deciding by the answer whether to begin."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from control_plane.deployers.base import Deployer, DeployerUnavailable, RuntimeRefused
from control_plane.errors import DomainError
from control_plane.maintenance.windows import USUAL, Span, Window, first_common
from dentalpin_kit.problems import ErrorClass
from dentalpin_kit.tokens import SigningKey, sign

PATH: Final = "/api/v1/-/idle-slots"
HOURS: Final = 168
TOKEN_FOR: Final = timedelta(seconds=60)
RESTART: Final = timedelta(minutes=5)
"""The time without patients that taking a clinic to another revision needs once its backup is made."""
ASK_AGAIN: Final = timedelta(minutes=15)
"""Appointments end early and are cancelled: while the window is open, the runtime is asked again after this long."""


class UnreadableSlots(DeployerUnavailable):
    code: ClassVar[str] = "idle_slots_unreadable"


class PatientsCame(DomainError):
    """Nothing was changed: whoever planned the work takes it up again at a better time."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "in_use"
    error_class: ClassVar[ErrorClass] = ErrorClass.USER

    def __init__(self) -> None:
        super().__init__(
            "A patient came or is due while the backup was made; the clinic was left as it is. Ask again when nobody is in treatment."
        )


class _Slot(BaseModel):
    start: datetime
    end: datetime


class _Answer(BaseModel):
    slots: list[_Slot]
    failed: list[str] = []


@dataclass(frozen=True, slots=True)
class Rest:
    """When nobody is at work in any clinic of the tenant. `unknown` says why that cannot be told; then only its window protects it."""

    slots: tuple[Span, ...] = ()
    unknown: str | None = None

    def lasts(self, at: datetime, needs: timedelta) -> bool:
        """Whether nobody is at work from `at` on for so long; true where that cannot be told, as when it was begun."""
        return self.unknown is not None or any(slot.start <= at and at + needs <= slot.end for slot in self.slots)


@dataclass(frozen=True, slots=True)
class Go:
    """Now is a good time."""

    note: str | None = None


@dataclass(frozen=True, slots=True)
class NotBefore:
    """Look again at this moment; `reason` says to a person why not now."""

    at: datetime
    reason: str
    code: str


async def ask(deployer: Deployer, key: SigningKey, tenant_id: UUID, *, needs: timedelta) -> Rest:
    """What the runtime says, woken where it sleeps. Raises DeployerUnavailable where it does not answer."""
    token = sign(key, audience=str(tenant_id), purpose="idle-slots", lifetime=TOKEN_FOR)
    minutes = max(1, int(needs.total_seconds() // 60))
    try:
        body: dict[str, Any] = await deployer.request(tenant_id, "GET", f"{PATH}?minutes={minutes}&hours={HOURS}", token=token)
        answer = _Answer.model_validate(body.get("data"))
    except RuntimeRefused as refusal:
        # A release from before the question was invented answers 404.
        return Rest(unknown=f"its runtime cannot say when no patient is there ({refusal.message})")
    except ValidationError as error:
        raise UnreadableSlots(f"The runtime's idle slots cannot be read: {error.errors()[0]['msg']}. Its log says more.") from error
    if answer.failed:
        return Rest(unknown=f"{', '.join(answer.failed)} could not say when patients are there")
    return Rest(tuple(Span(slot.start, slot.end) for slot in answer.slots))


def opening_now(window: Window, zone: ZoneInfo, *, at: datetime, needs: timedelta) -> Go | NotBefore:
    """Whether the window is open for long enough. Asks nobody."""
    for span in window.openings(zone, at):
        if max(span.start, at) + needs > span.end:
            continue
        if span.start <= at:
            return Go()
        local = span.start.astimezone(zone)
        return NotBefore(span.start, f"Its maintenance window opens at {local:%H:%M on %d %B} ({zone.key}).", "outside_window")
    return NotBefore(at + timedelta(days=1), "Its maintenance window is shorter than the work. Make the window longer.", "window_too_short")


def decide(window: Window | None, zone: ZoneInfo, rest: Rest, *, at: datetime, needs: timedelta) -> Go | NotBefore:
    """Whether to begin now; `window` None where windows are not to be waited for. Patients always are: where the runtime cannot say,
    the usual hours have to do."""
    if rest.unknown is not None:
        found = opening_now(window or USUAL, zone, at=at, needs=needs)
        return Go(note=f"Begun by its maintenance window alone: {rest.unknown}.") if isinstance(found, Go) else found
    openings = [Span(at, at + timedelta(hours=HOURS))] if window is None else list(window.openings(zone, at))
    moment = first_common(openings, rest.slots, at=at, needs=needs)
    if moment is None:
        return NotBefore(at + ASK_AGAIN, "No time without patients falls into its maintenance window this week.", "no_idle_slot")
    if moment <= at:
        return Go()
    local = moment.astimezone(zone)
    return NotBefore(
        min(moment, at + ASK_AGAIN),
        f"A patient is in treatment or due; the next idle time is {local:%H:%M on %d %B} ({zone.key}).",
        "in_use",
    )
