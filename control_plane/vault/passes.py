"""Once a day: a key that sealed long enough is followed by a new one, and what is sealed with an older one is sealed again."""

from control_plane.access.actors import WORKER
from control_plane.audit import service as audit
from control_plane.operations.steps.base import Tools
from control_plane.vault.rotating import AGE, reseal, rotate


async def rotate_due(tools: Tools) -> None:
    platform = tools.platform
    now = platform.clock.now()
    active = platform.vault.ring.active(now)
    due = active.made_at is not None and active.made_at + AGE <= now
    async with platform.database.transaction() as session:
        done = await (rotate if due else reseal)(session, platform.vault, at=now)
        if due or done.resealed or done.dropped:
            audit.record(session, WORKER, "vault.rotated", at=now, key=done.key, resealed=done.resealed, dropped=list(done.dropped))
