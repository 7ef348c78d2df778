"""A stuck thing as the API and the metrics show it."""

from datetime import datetime
from typing import Final

from pydantic import BaseModel

from dentalpin_kit.problems import ErrorClass

MOST: Final = 200
"""Of each sort no more are shown: who has so many looks at what they have in common."""


class WayOut(BaseModel):
    """A request that a person can make about it."""

    action: str
    request: str


class StuckOut(BaseModel):
    what: str
    """`tenant`, `operation`, `pass`, `campaign`, `backup`, `mail`, `webhook`, `signup`, `billing`, `demo` or `support`."""
    id: str
    tenant: str | None
    state: str
    since: datetime
    """From when it needs somebody: when it became stuck, or when its deadline passed."""
    age_seconds: float
    deadline: datetime | None
    reason: str
    error_class: ErrorClass
    ways_out: list[WayOut]
    runbook: str
    """Under docs/operators/runbooks."""


class StuckList(BaseModel):
    items: list[StuckOut]
    """The oldest first."""
    oldest_seconds: float


class UnstuckOut(BaseModel):
    tenant: str
    state: str
    done: list[str]
    """What was changed; empty where nothing was stuck."""
