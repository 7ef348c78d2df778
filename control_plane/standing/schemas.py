"""Payment standings as the API takes and shows them. No amounts: those are in the invoices."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from control_plane.billing.ladder import Rung
from control_plane.standing.models import PaymentStanding
from control_plane.standing.states import Why


class Extension(BaseModel):
    model_config = ConfigDict(extra="forbid")

    until: AwareDatetime
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]
    """Goes into the audit and is shown to the clinic's owner."""


class StandingOut(BaseModel):
    slug: str
    state: Rung
    state_since: datetime | None
    why: Why | None
    """What is not in order; null while everything is."""
    since: datetime | None
    announced: Rung | None
    next: Rung | None
    """What follows, should nothing be paid."""
    next_at: datetime | None
    extended_until: datetime | None
    extended_because: str | None
    mode: str
    """In which the clinic's runtime is to run."""
    limits: dict[str, Any]
    """What its plan has room for."""
    usage: dict[str, Any] | None
    """How much of it is in use, as the runtime said last; null where it never did."""
    waits: str | None
    """Why the runtime is not there yet."""
    pay_at: str


class StandingSummary(BaseModel):
    slug: str
    name: str
    state: Rung
    state_since: datetime
    why: Why | None
    since: datetime | None
    next_at: datetime | None
    extended_until: datetime | None
    waits: str | None

    @classmethod
    def of(cls, slug: str, name: str, row: PaymentStanding) -> "StandingSummary":
        return cls(
            slug=slug,
            name=name,
            state=row.state,
            state_since=row.state_since,
            why=row.why,
            since=row.since,
            next_at=row.next_at,
            extended_until=row.extended_until,
            waits=row.waits,
        )


class StandingList(BaseModel):
    items: list[StandingSummary]
    next: str | None
