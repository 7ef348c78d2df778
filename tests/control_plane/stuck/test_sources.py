"""Mails, webhooks, campaigns and backups that need somebody are found, with their age, a way out and a runbook; others are not."""

from datetime import timedelta
from uuid import uuid4

import pytest

from control_plane.backups.models import Backup
from control_plane.campaigns.models import Campaign
from control_plane.mail.models import OutgoingMail
from control_plane.operations.kinds import OperationKind
from control_plane.operations.models import Operation
from control_plane.operations.states import OperationState
from control_plane.simulators.databases import SimulatedDatabases
from control_plane.simulators.deployer import SimulatedDeployer
from control_plane.simulators.fleet import populate
from control_plane.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent

DAY = timedelta(days=1)
MINUTES = timedelta(minutes=1)


@pytest.fixture
def stuck(client):
    async def stuck(what):
        items = (await client.get("/v1/stuck")).json()["items"]
        return {(one["state"], int(one["age_seconds"])): [way["action"] for way in one["ways_out"]] for one in items if one["what"] == what}

    return stuck


@pytest.fixture
def write(platform):
    async def write(*rows):
        async with platform.database.transaction() as session:
            for row in rows:
                session.add(row)
                await session.flush()

    return write


def mail(now, key, **values):
    usual = {"to": "a@b.example", "template": "t", "locale": "en", "subject": "s", "text": "t", "created_at": now}
    return OutgoingMail(key=key, **{**usual, "due_at": now, "give_up_at": now + 3 * DAY, **values})


async def test_mails_given_up_and_mails_nobody_sends(write, stuck, clock):
    now = clock.now()
    await write(
        mail(now, "sent", state="sent", text=None, due_at=now - DAY),
        mail(now, "just due", due_at=now - MINUTES),
        mail(now, "late", due_at=now - 20 * MINUTES),
        mail(now, "failed", state="failed", reason="no such mailbox", give_up_at=now - 60 * MINUTES),
        mail(now, "failed long ago", state="failed", reason="no such mailbox", give_up_at=now - 20 * DAY),
    )
    assert await stuck("mail") == {("failed", 3600): ["send again"], ("waiting", 1200): []}


def endpoint(now, **values):
    usual = {"url": "https://r.example", "description": "", "events": [], "locale": "en", "sealed_secret": b"x", "created_by": "t"}
    return WebhookEndpoint(id=uuid4(), **{**usual, "due_at": now, "created_at": now, **values})


async def test_webhooks_disabled_for_their_failures_and_queues_nobody_sends(write, stuck, clock):
    now = clock.now()
    late, resting = endpoint(now, due_at=now - 30 * MINUTES), endpoint(now, due_at=now + 30 * MINUTES)
    event = WebhookEvent(id=uuid4(), type="tenant.created", details={}, happened_at=now)
    await write(
        late,
        resting,
        endpoint(now, state="disabled", reason="It failed.", failures=12, failed_at=now - 60 * MINUTES),
        endpoint(now, state="disabled", reason="Disabled by operator:ana.", failures=2, failed_at=now - 60 * MINUTES),
        event,
        WebhookDelivery(endpoint_id=late.id, event_id=event.id, created_at=now - 20 * MINUTES, log=[]),
        WebhookDelivery(endpoint_id=resting.id, event_id=event.id, created_at=now - 20 * MINUTES, log=[]),
    )
    assert await stuck("webhook") == {("disabled", 3600): ["enable", "send what was missed"], ("late", 1200): ["disable"]}


def campaign(now, **values):
    usual = {
        "name": "c",
        "change": "replan",
        "strategy": {},
        "state_since": now - DAY,
        "next_at": now,
        "created_at": now,
        "created_by": "t",
    }
    return Campaign(**{**usual, **values})


async def test_campaigns_halted_and_those_past_their_time(write, stuck, clock):
    now = clock.now()
    await write(
        campaign(now, state="planned"),
        campaign(now, state="running", deadline=now + DAY),
        campaign(now, state="running", deadline=now - 60 * MINUTES),
        campaign(now, state="halted", reason="one of the canary failed"),
    )
    assert await stuck("campaign") == {("halted", 86400): ["resume", "abort"], ("overdue", 3600): ["pause", "abort"]}


async def test_backups_never_ended_and_those_that_cannot_be_restored(write, stuck, clock, platform):
    now, databases = clock.now(), SimulatedDatabases(clock)
    [tenant] = await populate(platform, SimulatedDeployer(databases, clock), 1)
    made = Operation(
        id=uuid4(),
        tenant_id=tenant,
        kind=OperationKind.BACKUP,
        state=OperationState.SUCCEEDED,
        params={},
        result={},
        next_attempt_at=now,
        deadline=now,
        created_at=now,
        created_by="t",
    )

    def backup(**values):
        usual = {"tenant_id": tenant, "operation_id": made.id, "cause": "asked", "generation": 1, "release_id": "r", "chosen": []}
        return Backup(**{**usual, "requested_at": now - MINUTES, **values})

    ready = {"state": "ready", "taken_at": now, "contents": {}}
    await write(
        made,
        backup(),
        backup(requested_at=now - timedelta(hours=4)),
        backup(**ready, check_passed=True, checked_at=now - DAY),
        backup(**ready, check_passed=False, checked_at=now - DAY),
    )
    assert await stuck("backup") == {("making", 3600): ["back up again", "unstick"], ("not_restorable", 86400): ["back up again"]}
