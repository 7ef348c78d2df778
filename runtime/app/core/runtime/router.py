"""What the platform asks a runtime on its control channel. Every route here takes the platform's token and nothing else."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.invitations import verify_platform_token
from app.core.limits import usage
from app.core.runtime import process
from app.core.runtime.attestation import attest
from app.core.runtime.errors import PlatformTokenMissing, StandAlone
from app.database import get_db

router = APIRouter(tags=["platform"])


Session = Annotated[AsyncSession, Depends(get_db)]


async def for_attesting(request: Request, db: Session) -> None:
    """Let the platform in, with a token made for this. Raises PlatformTokenMissing, TokenRefused."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise PlatformTokenMissing
    await verify_platform_token(db, token.strip(), "attest")


@router.get("/api/v1/modules/-/attestation", include_in_schema=False)
async def get_attestation(request: Request, _: Annotated[None, Depends(for_attesting)], db: Session) -> dict[str, Any]:
    serving = process.current()
    if serving is None or serving.revision is None:
        raise StandAlone
    attestation = await attest(db, serving, serving.revision, asdict(await usage.seen_by_all(db, request.app.state.storage)))
    return {"data": attestation.model_dump(mode="json", by_alias=True), "message": None}
