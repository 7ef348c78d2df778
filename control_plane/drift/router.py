"""/v1/drift: clinics that do not run what they should."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from control_plane.access.requires import Requires
from control_plane.access.routing import PlatformRoute, Session
from control_plane.drift.service import Drifted, drifted
from control_plane.tenants.states import TenantState

router = APIRouter(tags=["operations"], route_class=PlatformRoute)


class DriftOut(BaseModel):
    slug: str
    state: TenantState
    what: list[str]
    observed_at: datetime
    operation: UUID | None
    """The one that puts it right. None: the next comparison begins one, or, of a degraded clinic, a person does."""

    @classmethod
    def of(cls, found: Drifted) -> "DriftOut":
        return cls(
            slug=found.tenant.slug,
            state=found.tenant.state,
            what=list(found.what),
            observed_at=found.seen.observed_at,
            operation=found.mending.id if found.mending else None,
        )


class DriftList(BaseModel):
    items: list[DriftOut]


@router.get("/drift", dependencies=[Requires("operations:read")])
async def list_drift(
    session: Session,
    after: Annotated[str, Query(max_length=80, description="A slug: only those that follow it.")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> DriftList:
    """Clinics at rest whose runtime last proved something else than they are to run, and the operation that mends it."""
    return DriftList(items=[DriftOut.of(one) for one in await drifted(session, after=after, limit=limit)])
