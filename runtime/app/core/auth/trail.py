"""The trail of sign-ins and of changes to who may do what. Append-only for requests; `docs/reference/retention.md` says for how long."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, func, insert, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from starlette.requests import HTTPConnection

from .models import AccessEntry, Membership, User
from .state import peer_of

EVENTS: Final = (
    "signed_in",
    "sign_in_refused",
    "sign_in_limited",
    "second_factor_refused",
    "recovery_code_used",
    "signed_out",
    "session_revoked",
    "refresh_reused",
    "password_set",
    "password_reset_asked",
    "second_factor_enrolled",
    "second_factor_removed",
    "recovery_codes_renewed",
    "person_invited",
    "person_changed",
    "person_disabled",
    "person_enabled",
    "role_created",
    "role_changed",
    "role_removed",
    "clinic_created",
    "clinic_changed",
    "support_requested",
    "support_accepted",
    "support_declined",
    "support_revoked",
    "support_taken_back",
    "support_opened",
    "records_taken",
)
"""Every event of the trail; a row of any other is a mistake in the code."""

RETENTION_DAYS: Final = 365
AGENT_LENGTH: Final = 200


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from: the address nobody can forge, and what the program called itself."""

    peer: str
    agent: str | None

    @classmethod
    def of(cls, connection: HTTPConnection) -> "Origin":
        agent = connection.headers.get("user-agent", "").strip()
        return cls(peer_of(connection), agent[:AGENT_LENGTH] or None)


async def record(
    session: AsyncSession | AsyncConnection,
    source: HTTPConnection | Origin,
    event: str,
    *,
    user_id: UUID | None = None,
    clinic_id: UUID | None = None,
    actor_id: UUID | None = None,
    **details: object,
) -> None:
    """Add a line in the caller's transaction. `details` are names and codes: never passwords, codes or what a form contained."""
    assert event in EVENTS, event
    origin = source if isinstance(source, Origin) else Origin.of(source)
    await session.execute(
        insert(AccessEntry).values(
            event=event,
            user_id=user_id,
            clinic_id=clinic_id,
            actor_id=actor_id,
            peer=origin.peer[:64],
            agent=origin.agent,
            details=details,
        )
    )


def of_person(user_id: UUID) -> Select[Any]:
    return select(AccessEntry).where(AccessEntry.user_id == user_id)


def of_clinic(clinic_id: UUID) -> Select[Any]:
    """What happened in a clinic, and the sign-ins of its people."""
    people = select(Membership.user_id).where(Membership.clinic_id == clinic_id)
    return select(AccessEntry).where(
        or_(AccessEntry.clinic_id == clinic_id, (AccessEntry.clinic_id.is_(None)) & AccessEntry.user_id.in_(people))
    )


async def page_of(
    session: AsyncSession, query: Select[Any], *, page: int, page_size: int
) -> tuple[list[tuple[AccessEntry, str | None]], int]:
    """The newest entries first, each with the address of whom it is about."""
    total = await session.scalar(select(func.count()).select_from(query.subquery())) or 0
    rows = await session.execute(
        query.add_columns(User.email)
        .outerjoin(User, User.id == AccessEntry.user_id)
        .order_by(AccessEntry.id.desc())
        .limit(page_size)
        .offset((page - 1) * page_size)
    )
    return [(entry, email) for entry, email in rows], total


async def prune(session: AsyncSession, *, days: int = RETENTION_DAYS) -> int:
    """Clear what is older; the database keeps at least 90 days whatever is asked."""
    return int(await session.scalar(text("SELECT core_prune_access_log(:days)"), {"days": days}) or 0)
