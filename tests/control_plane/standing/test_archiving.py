"""Archived: a verified backup, a stopped runtime, everything kept; paying reopens it, and a backup that does not restore stops nothing."""

from uuid import UUID

import pytest

from control_plane.backups import making
from control_plane.backups.errors import RestoreDiffers
from control_plane.backups.models import Backup


@pytest.fixture
async def due(sol):
    """A clinic that is to be archived at the next look."""
    await sol.owes()
    await sol.look()
    await sol.days_pass(119)
    assert (await sol.standing())["announced"] == "archived"
    sol.clock.advance(days=1)
    return sol


async def test_it_is_archived_with_a_verified_backup_and_everything_is_kept(due, platform, databases):
    await due.look()
    due.clock.advance(minutes=2)
    await due.look()

    standing, shown = await due.standing(), await due.shown()
    assert (standing["state"], standing["waits"], shown["state"]) == ("archived", None, "archived")
    assert shown["operation"]["kind"] == "archive"
    async with platform.database.transaction() as session:
        backup = await session.get_one(Backup, UUID(shown["operation"]["result"]["verified"]))
    assert (backup.check_passed, backup.cause, backup.keep_until is not None) == (True, "archive", True)
    assert "Records" in backup.keep_because or "No law" in backup.keep_because or "kept" in backup.keep_because
    assert [what for tenant, what in platform.deployer.log() if tenant == str(due.id)][-1] == "stop"
    assert due.id in databases.data

    exported = await due.client.post("/v1/tenants/sol/exports")
    assert exported.status_code == 202, exported.text
    await due.worker.drain()
    assert (await due.client.get("/v1/tenants/sol/exports")).json()["items"][0]["removed_at"] is None


async def test_paying_reopens_it_as_it_was(due):
    await due.look()
    await due.pays()
    await due.look()

    shown = await due.shown()
    assert (shown["state"], shown["in_sync"], due.told()["mode"]) == ("active", True, "normal")
    assert [module["name"] for module in due.told()["modules"]] == ["patients", "agenda"]
    assert (await due.subjects())[-1] == "payment_settled"


async def test_a_clinic_is_not_stopped_on_the_strength_of_a_backup_that_does_not_restore(due, monkeypatch):
    async def differs(platform, databases, backup, tenant_id, database):
        raise RestoreDiffers(backup.id, ["patients: 3 rows instead of 4"])

    monkeypatch.setattr(making, "load", differs)
    await due.look()

    shown = await due.shown()
    assert (shown["state"], shown["operation"]["state"], shown["operation"]["error_code"]) == ("degraded", "failed", "backup_unverified")
    assert "stop" not in [what for tenant, what in due.platform.deployer.log() if tenant == str(due.id)]
