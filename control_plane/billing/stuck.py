"""Agreements whose payment needs a person: a disputed payment, a subscription in another currency than was agreed, one too many."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.billing.models import Agreement
from control_plane.stuck.schemas import StuckOut, WayOut
from control_plane.tenants.models import Tenant
from dentalpin_kit.problems import ErrorClass

MOST = 200


async def stuck_billing(session: AsyncSession, at: datetime) -> list[StuckOut]:
    """Those with a problem, the oldest first."""
    query = select(Agreement, Tenant.slug).join(Tenant, Tenant.id == Agreement.tenant_id).where(Agreement.problem_since.is_not(None))
    found = []
    for row, slug in await session.execute(query.order_by(Agreement.problem_since).limit(MOST)):
        since = row.problem_since or at
        found.append(
            StuckOut(
                what="billing",
                id=str(row.tenant_id),
                tenant=slug,
                state=row.problem_code or "problem",
                since=since,
                age_seconds=(at - since).total_seconds(),
                deadline=None,
                reason=row.problem or "",
                error_class=ErrorClass.US,
                ways_out=[WayOut(action="read the provider again", request=f"POST /v1/tenants/{slug}/billing/sync")],
                runbook="billing-problem.md",
            )
        )
    return found
