"""Claiming a key and keeping the answer, both in the transaction of the request.

The claim inserts the key's row. A concurrent request with the same key waits there until this transaction ends: it then finds the
stored answer, or, if this one was rolled back, takes its place. A refused request (4xx) stores nothing: correct it and send it again.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fastapi import Request, Response
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.idempotency.errors import BadKey, KeyReused
from control_plane.idempotency.models import IdempotentAnswer
from dentalpin_kit.canonical import canonical_json, digest_text

HEADER: Final = "idempotency-key"
KEPT_FOR: Final = timedelta(days=1)


@dataclass(frozen=True)
class Claim:
    """`answer` is what was answered before; None: this request is the first, and `keep` stores what it answers."""

    session: AsyncSession
    scope: str
    key: str
    answer: Response | None = None

    async def keep(self, response: Response, *, without: Collection[str] = ()) -> None:
        """Store what is answered; the members named by `without` are secrets and null in every repetition."""
        row = update(IdempotentAnswer).where(IdempotentAnswer.scope == self.scope, IdempotentAnswer.key == self.key)
        media_type = response.headers.get("content-type")
        body = bytes(response.body)
        if without:
            body = json.dumps({**json.loads(body), **dict.fromkeys(without)}).encode()
        await self.session.execute(row.values(status=response.status_code, media_type=media_type, body=body))


async def claim(session: AsyncSession, request: Request, *, scope: str, at: datetime) -> Claim | None:
    """Claim the request's key; None where there is none to claim. Raises KeyReused when it belongs to another request, BadKey."""
    key = request.headers.get(HEADER)
    if key is None or request.method != "POST":
        return None
    if not 1 <= len(key) <= 255:
        raise BadKey
    fingerprint = fingerprint_of(request.method, request.url.path, await request.body())
    values = {"scope": scope, "key": key, "fingerprint": fingerprint, "created_at": at}
    first = insert(IdempotentAnswer).values(**values).on_conflict_do_nothing().returning(IdempotentAnswer.key)
    if await session.scalar(first) is not None:
        return Claim(session, scope, key)
    stored = await session.scalar(select(IdempotentAnswer).where(IdempotentAnswer.scope == scope, IdempotentAnswer.key == key))
    if stored is None or stored.fingerprint != fingerprint or stored.status is None:
        raise KeyReused(key)
    headers = {"Idempotency-Replayed": "true"}
    return Claim(session, scope, key, Response(stored.body, stored.status, headers, media_type=stored.media_type))


async def first_time(session: AsyncSession, once: str, *, scope: str, at: datetime) -> bool:
    """Whether a form with this mark is sent for the first time; browsers send one again when its button is pressed twice.

    A second sending waits here for the first. Ask inside the transaction, or the savepoint, that does the work: what is refused may be
    sent again. Without a mark every time is the first.
    """
    if not once:
        return True
    values = {"scope": scope, "key": f"form {once}", "fingerprint": digest_text(once), "created_at": at}
    made = insert(IdempotentAnswer).values(**values).on_conflict_do_nothing().returning(IdempotentAnswer.key)
    return await session.scalar(made) is not None


def fingerprint_of(method: str, path: str, body: bytes) -> str:
    """What makes two requests the same: JSON is compared by value, not by its spaces."""
    try:
        text = canonical_json(json.loads(body))
    except ValueError:
        text = body.decode("utf-8", "replace")
    return digest_text(f"{method} {path}\n{text}")


async def forget_old(session: AsyncSession, *, at: datetime) -> None:
    """Drop answers that are older than a day."""
    await session.execute(delete(IdempotentAnswer).where(IdempotentAnswer.created_at < at - KEPT_FOR))
