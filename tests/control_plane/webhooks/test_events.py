"""Every event that may be subscribed to is one that happens, and goes out with what it promises and nothing else."""

import re
from pathlib import Path

import pytest
from sqlalchemy import select

import control_plane
from control_plane.access.actors import WORKER
from control_plane.audit import service as audit
from control_plane.campaigns.states import CAMPAIGN
from control_plane.webhooks.events import EVENTS, TEST
from control_plane.webhooks.models import WebhookEvent

SOURCE = {path: path.read_text(encoding="utf-8") for path in Path(control_plane.__file__).parent.rglob("*.py") if path.name != "events.py"}
OF_STATES = {f"campaign.{state.value}" for state in CAMPAIGN.about}
"""Written with the campaign's state for a name."""


@pytest.mark.parametrize("name", sorted(EVENTS.keys() - {TEST.name}))
def test_every_event_is_a_deed_that_the_audit_records(name):
    written = any(re.search(rf'"{re.escape(name)}"', text) for text in SOURCE.values())
    told = name.startswith("campaign.") and any(f'_tell(session, actor, "{name.partition(".")[2]}"' in text for text in SOURCE.values())
    assert written or told or name in OF_STATES


async def test_an_event_carries_its_members_and_nothing_else(platform):
    async with platform.database.transaction() as session:
        audit.record(session, WORKER, "campaign.halted", at=platform.clock.now(), campaign="7", reason="too much failed", token="secret")
        audit.record(session, WORKER, "key.created", at=platform.clock.now(), prefix="dpk_1")
    async with platform.database.transaction() as session:
        [event] = await session.scalars(select(WebhookEvent))
    assert (event.type, event.details) == ("campaign.halted", {"campaign": "7", "reason": "too much failed"})
