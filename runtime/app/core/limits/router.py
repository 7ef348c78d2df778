"""`/api/v1/-/plan`: what the plan has room for and what is in use, for those who administer the clinic."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.dependencies import require_permission
from app.core.limits import usage
from app.core.limits.limits import GIGABYTE, Limits
from app.core.schemas import ApiResponse
from app.database import get_db

router = APIRouter(tags=["plan"])


class LimitOut(BaseModel):
    name: str
    used: float
    allowed: int | None
    """None: as much as is wanted."""
    reached: bool
    """Nothing more of it can be added; what there is goes on."""


class PlanOut(BaseModel):
    plan: str | None
    limits: list[LimitOut]

    @classmethod
    def of(cls, limits: Limits, used: usage.Usage) -> "PlanOut":
        gigabytes = round(used.storage_bytes / GIGABYTE, 2)
        rows = (
            ("clinics", used.clinics, limits.clinics),
            ("users", used.users, limits.users),
            ("storage_gb", gigabytes, limits.storage_gb),
        )
        shown = [
            LimitOut(name=name, used=present, allowed=most, reached=most is not None and present >= most) for name, present, most in rows
        ]
        return cls(plan=limits.plan, limits=shown)


@router.get("/api/v1/-/plan")
async def get_plan(
    request: Request,
    _: Annotated[None, Depends(require_permission("admin.clinic.read"))],
    db: Annotated[AsyncSession, Depends(get_db)],
) -> ApiResponse[PlanOut]:
    """How much of the clinic's plan is in use, over all of its clinics."""
    return ApiResponse(data=PlanOut.of(request.app.state.limits, await usage.usage(db, request.app.state.storage)))
