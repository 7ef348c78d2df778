"""The plan's limits as a value, and what this process knows of its own. No limit: None, and a revision without limits has none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from app.core.limits.errors import PlanLimitReached

GIGABYTE: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    plan: str | None = None
    """Its name, for people."""
    clinics: int | None = None
    users: int | None = None
    storage_gb: int | None = None

    @classmethod
    def in_document(cls, document: Mapping[str, Any]) -> Self:
        """Limits of names this release does not know are left alone."""
        part: Mapping[str, Any] = document.get("limits") or {}
        return cls(part.get("plan"), *(_count(part.get(name)) for name in ("clinics", "users", "storage_gb")))

    def refuse_more(self, limit: str, present: int, adding: int = 1) -> None:
        """Raises PlanLimitReached where `adding` more would not fit. `storage_gb` is counted in bytes."""
        allowed: int | None = getattr(self, limit)
        if allowed is None:
            return
        room = allowed * GIGABYTE if limit == "storage_gb" else allowed
        if present + adding > room:
            raise PlanLimitReached(self.plan, limit, allowed, round(present / GIGABYTE, 1) if limit == "storage_gb" else present)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


NONE: Final = Limits()
_current: Limits = NONE


def install(limits: Limits) -> None:
    """Make these the limits of the process; the serving stage does it before anything is mounted."""
    global _current
    _current = limits


def current() -> Limits:
    return _current
