"""Adopting a revision: this database never goes back to an older generation, nor to another tenant's.

A copy is the exception: its database came from another tenant's backup, and its revision names that tenant.
Boot does it as owner, under the processor's lock, after the core's migrations and before the processor reads what to install.
"""

import json
import logging
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.runtime.errors import RevisionConflict, RevisionOlder
from app.core.runtime.revision import RevisionDocument

logger = logging.getLogger(__name__)


class Adoption(StrEnum):
    NEW = "new"
    KNOWN = "known"


# Two boots at once: the second waits for the first's transaction and then finds the generation known.
_LOCK: Final = text("LOCK TABLE core_revision IN SHARE ROW EXCLUSIVE MODE")
_LAST: Final = text("SELECT generation, identity, document #>> '{tenant,id}' AS tenant FROM core_revision ORDER BY generation DESC LIMIT 1")
_RECORD: Final = text(
    "INSERT INTO core_revision (generation, identity, effect, document) VALUES (:generation, :identity, :effect, CAST(:document AS jsonb))"
)
_CUT_LOOSE: Final = tuple(
    map(
        text,
        (
            "UPDATE refresh_tokens SET revoked_at = now() WHERE revoked_at IS NULL",
            "UPDATE personal_access_tokens SET revoked_at = now() WHERE revoked_at IS NULL",
            "UPDATE account_links SET expires_at = now() WHERE used_at IS NULL AND expires_at > now()",
            "UPDATE core_event_delivery SET status = 'closed', finished_at = clock_timestamp(), "
            "last_error = 'this is a copy: the original handles it' WHERE status = 'pending'",
        ),
    )
)


async def adopt(connection: AsyncConnection, revision: RevisionDocument) -> Adoption:
    """Record the revision as the one to act on, in the caller's transaction; KNOWN when it already is.

    Raises RevisionOlder for an earlier generation than the last adopted one, RevisionConflict for the same generation with another
    content and for another tenant's revision. Nothing is written then.
    """
    await connection.execute(_LOCK)
    last = (await connection.execute(_LAST)).one_or_none()
    if last is not None:
        _check(last, revision)
        if last.generation == revision.generation:
            return Adoption.KNOWN
        if last.tenant != str(revision.tenant.id):
            await _cut_loose(connection)
    await connection.execute(
        _RECORD,
        {
            "generation": revision.generation,
            "identity": revision.digests.identity,
            "effect": revision.digests.effect,
            "document": json.dumps(revision.raw),
        },
    )
    logger.info("adopted revision %d (%s)", revision.generation, revision.digests.identity)
    return Adoption.NEW


async def _cut_loose(connection: AsyncConnection) -> None:
    """Take from a copy what binds it to the original: who is signed in there, links on their way, events not yet handled."""
    for statement in _CUT_LOOSE:
        await connection.execute(statement)


def _check(last: Row[Any], revision: RevisionDocument) -> None:
    copied_from = str(revision.isolated.tenant_id) if revision.isolated is not None else None
    if last.tenant not in (str(revision.tenant.id), copied_from):
        raise RevisionConflict(
            f"this database belongs to tenant {last.tenant}, and the revision is for {revision.tenant.id}. "
            "Start the runtime with its own database"
        )
    if revision.generation < last.generation:
        raise RevisionOlder(
            f"generation {revision.generation} is older than {last.generation}, which was adopted before. "
            "To go back, issue the older content as a new generation"
        )
    if revision.generation == last.generation and revision.digests.identity != last.identity:
        raise RevisionConflict(
            f"generation {revision.generation} was adopted with another content ({last.identity}, now {revision.digests.identity}). "
            "Issue the change as a new generation"
        )
