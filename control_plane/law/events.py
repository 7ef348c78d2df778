"""What other systems may hear of the law."""

from typing import Final

from control_plane.webhooks.types import EventType

EVENTS: Final = (
    EventType("law.published", "An edition of the packs came into force.", ("edition", "packs")),
    EventType("tenant.law_applied", "The law changed what a tenant runs; its operation brings it."),
    EventType("tenant.law_problem", "The law of today waits for a person's decision about a tenant.", ("code", "reason")),
    EventType("tenant.law_problem_over", "What the law waited for is decided.", ("code",)),
)
