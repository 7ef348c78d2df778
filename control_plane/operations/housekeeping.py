"""What has served its time: stored answers after a day, mails after half a year. Repeatable, by any worker."""

from control_plane.access import tidying
from control_plane.idempotency import service as idempotency
from control_plane.mail import outbox
from control_plane.operations.steps.base import Tools
from control_plane.webhooks import service as webhooks


async def keep_house(tools: Tools) -> None:
    platform = tools.platform
    now = platform.clock.now()
    async with platform.database.transaction() as session:
        await idempotency.forget_old(session, at=now)
        await tidying.forget_old(session, at=now)
        await outbox.forget_old(session, at=now)
        await webhooks.forget_old(session, at=now)
