"""Where something is added that a plan counts: called by whoever adds it, and in front of every route of a module for what is uploaded."""

from typing import Annotated, Final

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.limits import usage
from app.core.limits.limits import Limits
from app.core.modes import kind_of
from app.database import get_db

BODY_COUNTS_FROM: Final = 256 * 1024
"""Requests as large as this store a file, whatever their content type says; records are smaller, and are never refused for their size."""


async def refuse_clinic(session: AsyncSession, limits: Limits) -> None:
    """Before a clinic is added. Raises PlanLimitReached."""
    if limits.clinics is not None:
        await usage.lock(session)
        limits.refuse_more("clinics", await usage.clinics())


async def refuse_person(session: AsyncSession, limits: Limits, email: str) -> None:
    """Before somebody is let in, anew or again. Raises PlanLimitReached."""
    if limits.users is None:
        return
    await usage.lock(session)
    if not await usage.is_counted(email):
        limits.refuse_more("users", await usage.users())


async def guard_storage(request: Request, db: Annotated[AsyncSession, Depends(get_db)]) -> None:
    """In front of every route of a module: what stores a file needs room. Raises PlanLimitReached, never for reading or for a record."""
    limits: Limits = request.app.state.limits
    if limits.storage_gb is None or kind_of(request.scope.get("endpoint"), request.method) != "write":
        return
    size = _stored(request)
    if size:
        storage: usage.Storage = request.app.state.storage
        limits.refuse_more("storage_gb", await storage.used(db), size)
        storage.note(size)


def _stored(request: Request) -> int:
    """How many bytes of a file the request brings; 0 for a record."""
    said = request.headers.get("content-length", "")
    size = int(said) if said.isdigit() else 0
    upload = request.headers.get("content-type", "").startswith("multipart/form-data")
    # Sent in pieces, an upload does not say how large it is; it is let in while there is any room.
    return max(size, 1) if upload or size >= BODY_COUNTS_FROM else 0
