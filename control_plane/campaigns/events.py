"""What other systems may hear of campaigns."""

from typing import Final

from control_plane.webhooks.types import EventType

EVENTS: Final = (
    EventType("campaign.started", "A campaign began.", ("campaign", "name")),
    EventType("campaign.wave_done", "A wave is done: each of its members attested, or was left out.", ("campaign", "wave")),
    EventType(
        "campaign.member_failed", "A member failed; the reason says whether it is back on its old release.", ("campaign", "code", "reason")
    ),
    EventType("campaign.halted", "A campaign stopped by itself and waits for a person.", ("campaign", "name", "reason")),
    EventType("campaign.paused", "A person paused a campaign.", ("campaign", "name")),
    EventType("campaign.resumed", "A person let a campaign go on.", ("campaign", "name")),
    EventType("campaign.completed", "A campaign's last wave is done.", ("campaign", "name")),
    EventType("campaign.aborted", "A campaign was given up.", ("campaign", "name")),
)
