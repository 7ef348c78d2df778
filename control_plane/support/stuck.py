"""Requests for support access that a clinic's runtime cannot be told of, or whose time is over with nobody who ends them."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.stuck.schemas import MOST, StuckOut, WayOut
from control_plane.support.models import SupportRequest
from control_plane.support.states import UNFINISHED, SupportState
from control_plane.tenants.models import Tenant
from dentalpin_kit.problems import ErrorClass

GRACE: Final = timedelta(minutes=5)
"""How long after its deadline a request that nobody ended counts as stuck."""
TRIED: Final = 20
"""How often a runtime is asked in vain before a person is needed: about a quarter of an hour, by the pauses between."""


async def stuck_support(session: AsyncSession, at: datetime) -> list[StuckOut]:
    deadline = func.coalesce(SupportRequest.ends_at, SupportRequest.expires_at)
    unheard = and_(SupportRequest.state.in_((SupportState.SENDING, SupportState.CLOSING)), SupportRequest.failures >= TRIED)
    query = (
        select(SupportRequest, Tenant.slug)
        .join(Tenant, Tenant.id == SupportRequest.tenant_id)
        .where(SupportRequest.state.in_(UNFINISHED), or_(unheard, deadline < at - GRACE))
        .order_by(SupportRequest.number)
        .limit(MOST)
    )
    found = []
    for request, slug in await session.execute(query):
        late = request.deadline < at
        since = request.deadline if late else request.decided_at or request.created_at
        path = f"/v1/tenants/{slug}"
        ways = [WayOut(action="see why the runtime does not answer", request=f"GET {path}")]
        if request.state is not SupportState.CLOSING:
            ways.insert(0, WayOut(action="take it back", request=f"DELETE {path}/support/{request.id}"))
        found.append(
            StuckOut(
                what="support",
                id=str(request.id),
                tenant=slug,
                state=request.state,
                since=since,
                age_seconds=(at - since).total_seconds(),
                deadline=request.deadline,
                reason=request.reason or "Its time is over and nobody ended it: no worker runs, or none can reach the database.",
                error_class=ErrorClass.US,
                ways_out=ways,
                runbook="support-unheard.md",
            )
        )
    return found
