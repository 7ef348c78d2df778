"""The ladder of non-payment, as a pure function: on which rung a tenant is to stand now, what is to be announced, and what comes next.

    none → banner → no new modules → read-only → export-only → archived

Each rung is announced before it is taken, at least `notice` before, and one at a time: a platform that was away for a month announces and
climbs from where it stood, it does not leap. Paying leads back to `none` from every rung. What stays at every rung: clinical records can
be read and exported (an archived tenant's from its backup) for as long as the law asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Rung(StrEnum):
    NONE = "none"
    BANNER = "banner"
    NO_NEW_MODULES = "no_new_modules"
    READ_ONLY = "read_only"
    EXPORT_ONLY = "export_only"
    ARCHIVED = "archived"

    @property
    def next(self) -> "Rung | None":
        """The rung above; None from the last."""
        order = list(Rung)
        place = order.index(self) + 1
        return order[place] if place < len(order) else None


SILENT: Final = frozenset({Rung.NONE, Rung.BANNER})
"""Rungs that take nothing away; the banner is itself the announcement."""

AFTER: Final[Mapping[Rung, timedelta]] = MappingProxyType(
    {
        Rung.BANNER: timedelta(0),
        Rung.NO_NEW_MODULES: timedelta(days=14),
        Rung.READ_ONLY: timedelta(days=30),
        Rung.EXPORT_ONLY: timedelta(days=60),
        Rung.ARCHIVED: timedelta(days=120),
    }
)
"""From the day payment failed for the first time."""


@dataclass(frozen=True, slots=True)
class Rules:
    after: Mapping[Rung, timedelta] = field(default_factory=lambda: AFTER)
    notice: timedelta = timedelta(days=7)

    def __post_init__(self) -> None:
        if set(self.after) != set(Rung) - {Rung.NONE}:
            raise ValueError("every rung but `none` needs the days after which it is taken")
        ordered = [self.after[rung] for rung in Rung if rung is not Rung.NONE]
        if ordered != sorted(ordered) or ordered[0] < timedelta(0):
            raise ValueError("a rung comes no earlier than the one below it")
        if self.notice <= timedelta(0):
            raise ValueError("every rung is announced before it is taken: notice must be longer than nothing")


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one tenant. All moments in UTC."""

    overdue_since: datetime | None
    """When the oldest invoice that is still owed was refused or fell due; None when nothing is owed."""
    rung: Rung = Rung.NONE
    announced: Rung | None = None
    """The rung announced last, if it was not taken yet."""
    announced_at: datetime | None = None
    extended_until: datetime | None = None
    """Until then no further rung is taken: somebody promised to pay, or a dispute is being looked at."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do now. `rung`: where to stand; `announce`: what to announce, with the day it is taken; `next`: what comes and when."""

    rung: Rung
    announce: Rung | None = None
    next: Rung | None = None
    next_at: datetime | None = None
    look_again_at: datetime | None = None
    """When the answer may be another one; None as long as the standing does not change."""


def justified(overdue_since: datetime, now: datetime, rules: Rules) -> Rung:
    """The highest rung that what is owed now could have led to: who paid the older invoices stands no higher than the rest asks."""
    return max((rung for rung in Rung if rung is Rung.NONE or overdue_since + rules.after[rung] <= now), key=list(Rung).index)


def climb(standing: Standing, now: datetime, rules: Rules) -> Verdict:
    """One step at most: the caller acts on it, writes the standing anew and asks again."""
    if standing.overdue_since is None:
        return Verdict(Rung.NONE)
    above = standing.rung.next
    if above is None:
        return Verdict(standing.rung)
    due = max(filter(None, (standing.overdue_since + rules.after[above], standing.extended_until)))
    if above in SILENT:
        return Verdict(above if due <= now else standing.rung, next=above, next_at=due, look_again_at=due)
    if standing.announced is not above or standing.announced_at is None:
        announce_at = due - rules.notice
        if now < announce_at:
            return Verdict(standing.rung, next=above, next_at=due, look_again_at=announce_at)
        taken_at = max(due, now + rules.notice)
        return Verdict(standing.rung, announce=above, next=above, next_at=taken_at, look_again_at=taken_at)
    taken_at = max(due, standing.announced_at + rules.notice)
    if now < taken_at:
        return Verdict(standing.rung, next=above, next_at=taken_at, look_again_at=taken_at)
    return Verdict(above)
