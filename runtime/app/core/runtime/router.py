"""What the platform asks a runtime on its control channel. Every route here takes the platform's token and nothing else."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.runtime import process
from app.core.runtime.attestation import attest
from app.core.runtime.errors import StandAlone
from app.core.runtime.platform import platform_token
from app.database import get_db
from dentalpin_kit.tokens import Token

router = APIRouter(tags=["platform"])


@router.get("/api/v1/modules/-/attestation", include_in_schema=False)
async def get_attestation(
    _: Annotated[Token, Depends(platform_token("attest"))], db: Annotated[AsyncSession, Depends(get_db)]
) -> dict[str, Any]:
    serving = process.current()
    if serving is None or serving.revision is None:
        raise StandAlone
    attestation = await attest(db, serving, serving.revision)
    return {"data": attestation.model_dump(mode="json", by_alias=True), "message": None}
