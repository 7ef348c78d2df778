"""What a revision says of a demonstration, what this process knows of itself, and what a module is given to fill one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

BANNER: Final = "Demonstration: every patient is invented. Nothing is sent to anybody, nothing is valid, and all is deleted on {until}."
"""What people are told on every page of a demonstration, also on paper."""
Language = Literal["en", "es"]


@dataclass(frozen=True, slots=True)
class Demo:
    until: date
    """Its last day."""
    language: Language

    @classmethod
    def in_document(cls, document: Mapping[str, Any]) -> Self | None:
        """What the revision says; None for a clinic of its own."""
        part = document.get("demo")
        if part is None:
            return None
        return cls(date.fromisoformat(part["until"]), "es" if part["language"] == "es" else "en")

    @property
    def banner(self) -> str:
        return BANNER.format(**self.words())

    def words(self) -> dict[str, Any]:
        """What texts about it are filled with."""
        return {"until": self.until}


@dataclass(frozen=True, slots=True)
class DemoClinic:
    """The clinic a module fills with invented records, and the only person there."""

    clinic_id: UUID
    owner_id: UUID
    language: Language
    timezone: str
    now: datetime

    def at(self, day: date, hour: int, minute: int = 0) -> datetime:
        """A time of day where the clinic is."""
        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(self.timezone))

    @property
    def today(self) -> date:
        return self.now.astimezone(ZoneInfo(self.timezone)).date()


_current: Demo | None = None


def install(demo: Demo | None) -> None:
    """Make this what the process demonstrates; the serving stage does it before anything is mounted."""
    global _current
    _current = demo


def current() -> Demo | None:
    return _current


def is_demonstration() -> bool:
    """Whether this process demonstrates a clinic. A module that writes what an authority or a court would take for real refuses to then."""
    return _current is not None
