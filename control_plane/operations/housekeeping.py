"""What has served its time: stored answers after a day, final dumps after their date. Repeatable, by any worker."""

import logging
from pathlib import Path

from sqlalchemy import select

from control_plane.access import tidying
from control_plane.access.actors import WORKER
from control_plane.audit import service as audit
from control_plane.idempotency import service as idempotency
from control_plane.mail import outbox
from control_plane.operations.steps.base import Tools
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState
from control_plane.webhooks import service as webhooks

log = logging.getLogger(__name__)


async def keep_house(tools: Tools) -> None:
    platform = tools.platform
    now, today = platform.clock.now(), platform.clock.today()
    async with platform.database.transaction() as session:
        await idempotency.forget_old(session, at=now)
        await tidying.forget_old(session, at=now)
        await outbox.forget_old(session, at=now)
        await webhooks.forget_old(session, at=now)
        over = select(Tenant).where(Tenant.state == TenantState.DELETED, Tenant.final_dump_until < today).with_for_update(skip_locked=True)
        for tenant in await session.scalars(over):
            assert tenant.final_dump is not None
            Path(tenant.final_dump).unlink(missing_ok=True)
            audit.record(session, WORKER, "tenant.final_dump_deleted", at=now, tenant_id=tenant.id, path=tenant.final_dump)
            tenant.final_dump, tenant.final_dump_until = None, None
