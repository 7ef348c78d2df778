"""Putting a backup in the place of what a clinic has: shown first, confirmed by typing, and only one's own."""

import pytest
from sqlalchemy import select

from control_plane.backups.models import Backup
from control_plane.backups.states import BackupCause, BackupState
from control_plane.operations.kinds import OperationKind
from control_plane.operations.models import Operation
from tests.control_plane.account_pages.test_entering import OWN, clinic, enter
from tests.support.platform import api_of


@pytest.fixture
async def backup(transfers, clock):
    sol = await transfers.tenant("sol", modules=("agenda", "inventory"))
    async with transfers.platform.database.transaction() as session:
        made = await session.scalar(select(Operation.id).where(Operation.tenant_id == sol.id))
        row = Backup(
            tenant_id=sol.id,
            operation_id=made,
            cause=BackupCause.ASKED,
            state=BackupState.READY,
            generation=1,
            release_id="sha256:1",
            chosen=["agenda", "billing"],
            requested_at=clock.now(),
            taken_at=clock.now(),
            contents={},
        )
        session.add(row)
    return row


async def restores(platform) -> list[Operation]:
    async with platform.database.transaction() as session:
        return list(await session.scalars(select(Operation).where(Operation.kind == OperationKind.RESTORE)))


async def test_a_backup_is_restored_once_its_effects_were_seen_and_the_name_was_typed(transfers, backup):
    async with api_of(transfers.platform) as site:
        site.headers.pop("Authorization")
        site.headers["Accept"] = "text/html"
        await enter(site, transfers.platform, "owner@clinic.example")
        address = f"/account/clinics/sol/data/restore/{backup.id}"
        assert f'href="{address}"' in (await site.get("/account/clinics/sol/data")).text
        shown = (await site.get(address)).text
        for part in ("is replaced", "backed up first", "Billing is added again", "Inventory is not there any more", "type sol"):
            assert part in shown, part

        wrong = await site.post(address, data={"confirm": "solo"}, headers=OWN)
        assert (wrong.status_code, "Nothing was done" in wrong.text) == (422, True)
        assert await restores(transfers.platform) == []
        forged = await site.post(address, data={"confirm": "sol"}, headers={"Origin": "https://evil.example"})
        assert forged.status_code == 403

        assert (await site.post(address, data={"confirm": " Sol "}, headers=OWN)).status_code == 303
        (restore,) = await restores(transfers.platform)
        assert restore.params == {"backup": str(backup.id)}
        again = await site.post(address, data={"confirm": "sol"}, headers=OWN)
        assert (again.status_code, "Something else is being done" in again.text) == (409, True)

        await clinic(transfers.platform, "luna", "eva@luna.example")
        await enter(site, transfers.platform, "eva@luna.example")
        for foreign in (address, f"/account/clinics/luna/data/restore/{backup.id}"):
            assert (await site.get(foreign)).status_code == 404
