"""Health of this process, for whoever supervises it: alive, and ready to serve. Says nothing about the clinic."""

import asyncio
import logging
from typing import Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app import database
from app.core.runtime import process
from dentalpin_kit.problems import TemporaryError

logger = logging.getLogger(__name__)
router = APIRouter(prefix="/health", tags=["health"], include_in_schema=False)

_TIMEOUT: Final = 2.0
_STATES: Final = text("SELECT name FROM core_module WHERE state = 'installed'")


@router.get("/live")
async def live() -> JSONResponse:
    """The process runs and its loop turns."""
    return JSONResponse({"status": "alive"}, headers={"cache-control": "no-store"})


@router.get("/ready")
async def ready() -> JSONResponse:
    """Ready: the locks are held, the database answers, and everything it calls installed is mounted; else 503 with what is missing."""
    serving = process.current()
    installed = await _installed()
    checks = {
        "locks": serving is not None and serving.serves,
        "database": installed is not None,
        "modules": serving is not None and installed is not None and installed <= serving.mounted,
    }
    good = all(checks.values())
    return JSONResponse(
        {"status": "ready" if good else "not_ready", "checks": checks},
        status_code=200 if good else 503,
        headers={"cache-control": "no-store"},
    )


async def _installed() -> frozenset[str] | None:
    """The modules the database calls installed; None if it does not answer in time."""
    try:
        async with asyncio.timeout(_TIMEOUT), database.current().engine.connect() as connection:
            return frozenset((await connection.execute(_STATES)).scalars())
    except (OSError, TimeoutError, SQLAlchemyError, TemporaryError, database.NoUnitOfWork) as error:
        logger.warning("readiness: the database does not answer (%s)", type(error).__name__)
        return None
