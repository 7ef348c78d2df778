"""Adopting a revision: this database never goes back to an older generation, nor to another tenant's.

Boot does it as owner, under the processor's lock, after the core's migrations and before the processor reads what to install.
"""

import json
import logging
from enum import StrEnum

import asyncpg

from app.core.runtime.errors import RevisionConflict, RevisionOlder
from app.core.runtime.revision import RevisionDocument

logger = logging.getLogger(__name__)


class Adoption(StrEnum):
    NEW = "new"
    KNOWN = "known"


async def adopt(connection: asyncpg.Connection, revision: RevisionDocument) -> Adoption:
    """Record the revision as the one to act on; KNOWN when it already is.

    Raises RevisionOlder for an earlier generation than the last adopted one, RevisionConflict for the same generation with another
    content and for another tenant's revision. Nothing is written then.
    """
    async with connection.transaction():
        # Two boots at once: the second waits here and then finds the generation known.
        await connection.execute("LOCK TABLE core_revision IN SHARE ROW EXCLUSIVE MODE")
        last = await connection.fetchrow(
            "SELECT generation, identity, document #>> '{tenant,id}' AS tenant FROM core_revision ORDER BY generation DESC LIMIT 1"
        )
        if last is not None:
            _check(last, revision)
            if last["generation"] == revision.generation:
                return Adoption.KNOWN
        await connection.execute(
            "INSERT INTO core_revision (generation, identity, effect, document) VALUES ($1, $2, $3, $4::jsonb)",
            revision.generation,
            revision.digests.identity,
            revision.digests.effect,
            json.dumps(revision.raw),
        )
    logger.info("adopted revision %d (%s)", revision.generation, revision.digests.identity)
    return Adoption.NEW


def _check(last: asyncpg.Record, revision: RevisionDocument) -> None:
    if last["tenant"] != str(revision.tenant.id):
        raise RevisionConflict(
            f"this database belongs to tenant {last['tenant']}, and the revision is for {revision.tenant.id}. "
            "Start the runtime with its own database"
        )
    if revision.generation < last["generation"]:
        raise RevisionOlder(
            f"generation {revision.generation} is older than {last['generation']}, which was adopted before. "
            "To go back, issue the older content as a new generation"
        )
    if revision.generation == last["generation"] and revision.digests.identity != last["identity"]:
        raise RevisionConflict(
            f"generation {revision.generation} was adopted with another content ({last['identity']}, now {revision.digests.identity}). "
            "Issue the change as a new generation"
        )
