"""What an event is that other systems may hear of. Concepts list theirs in their `events.py`; webhooks.events takes them up."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventType:
    name: str
    """The audit's word for the deed."""
    summary: str
    members: tuple[str, ...] = ()
    """Details that go out, beside the tenant: ids, names of the platform's own things, reasons. Nothing of people."""
