"""/v1/blast-radius: what would restart, before anything does."""

from collections import Counter
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel

from control_plane.access.requires import Requires
from control_plane.access.routing import PlatformRoute, ThisPlatform
from control_plane.blast_radius.service import Touch, Touched, measure

router = APIRouter(tags=["releases"], route_class=PlatformRoute)
MOST: Final = 1000
"""Clinics one request looks at: 18 s of planning on a busy machine of two cores, which proxies wait for."""


class TouchedOut(BaseModel):
    slug: str
    touch: Touch
    why: list[str]


class BlastRadius(BaseModel):
    release: str | None
    """The release everybody would be moved to; null: this version of the control plane."""
    tenants: int
    restarting_percent: float
    counts: dict[Touch, int]
    touched: list[TouchedOut]
    """The first of those that are touched; the counts are of all that were looked at."""
    next: str | None
    """Pass as `after` to go on; null: every clinic was looked at."""

    @classmethod
    def of(cls, release: str | None, counts: Counter[Touch], touched: list[Touched], following: str | None) -> "BlastRadius":
        total = counts.total()
        return cls(
            release=release,
            tenants=total,
            restarting_percent=round(100 * counts[Touch.RESTARTS] / total, 2) if total else 0.0,
            counts={touch: counts[touch] for touch in Touch},
            touched=[TouchedOut(slug=one.slug, touch=one.touch, why=list(one.why)) for one in touched],
            next=following,
        )


@router.get("/blast-radius", dependencies=[Requires("releases:read")])
async def blast_radius(
    platform: ThisPlatform,
    release: Annotated[str | None, Query(max_length=80, description="Moving everybody to this release; else this version itself.")] = None,
    limit: Annotated[int, Query(ge=0, le=1000, description="How many touched clinics to name.")] = 100,
    after: Annotated[str, Query(max_length=80, description="Go on behind this clinic: `next` of the answer before.")] = "",
    most: Annotated[int, Query(ge=1, le=MOST, description="How many clinics to look at; each is planned anew.")] = MOST,
) -> BlastRadius:
    """Which clinics would restart, or could not be planned, were this release or this version of the platform rolled out to all."""
    counts: Counter[Touch] = Counter()
    touched: list[Touched] = []
    last = None
    async for one in measure(platform, release, after=after, most=most):
        counts[one.touch] += 1
        last = one.slug
        if one.touch is not Touch.UNTOUCHED and len(touched) < limit:
            touched.append(one)
    return BlastRadius.of(release, counts, touched, last if counts.total() == most else None)
