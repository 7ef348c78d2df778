"""The first clinic and the account of its owner, made by boot when the database has none.

Before the processor runs, so that seeds kept per clinic are loaded for it. The owner has no password until the invitation is used.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.runtime.revision import RevisionDocument

OWNER_ROLE: Final = "admin"

_LOCK: Final = text("LOCK TABLE clinics, users, memberships IN SHARE ROW EXCLUSIVE MODE")
_CLINIC: Final = text("SELECT id FROM clinics ORDER BY created_at, id LIMIT 1")
_NEW_CLINIC: Final = text(
    "INSERT INTO clinics (name, country, territory, timezone, currency, locale, legal_form, tax_id) "
    "VALUES (:name, :country, :territory, :timezone, :currency, :locale, :legal_form, :tax_id) RETURNING id"
)
_OWNER: Final = text("SELECT id, email, password_hash FROM users WHERE is_owner ORDER BY created_at, id LIMIT 1")
_NEW_OWNER: Final = text(
    "INSERT INTO users (email, is_owner) VALUES (:email, true) "
    "ON CONFLICT ON CONSTRAINT uq_users_email DO UPDATE SET is_owner = true RETURNING id"
)
_NEW_MEMBERSHIP: Final = text(
    "INSERT INTO memberships (user_id, clinic_id, role) VALUES (:user, :clinic, :role) "
    "ON CONFLICT ON CONSTRAINT uq_memberships_user_clinic DO NOTHING"
)
# Taken by a colleague in the meantime: then the account stays as it is, and the invitation says why.
_CORRECT_ADDRESS: Final = text(
    "UPDATE users SET email = :email, updated_at = now() WHERE id = :id AND NOT EXISTS (SELECT FROM users WHERE email = :email)"
)


async def ensure(connection: AsyncConnection, revision: RevisionDocument) -> None:
    """Make the first clinic, the owner and the membership, whichever is missing; correct the address of an owner who never signed in.

    Runs in the caller's transaction. A clinic, and an owner who has a password, are theirs to change: the revision does not overwrite them.
    """
    await connection.execute(_LOCK)
    clinic: UUID | None = await connection.scalar(_CLINIC)
    if clinic is None:
        clinic = (await connection.execute(_NEW_CLINIC, revision.clinic.model_dump())).scalar_one()
    await _ensure_owner(connection, revision.owner.email.lower(), clinic)


async def _ensure_owner(connection: AsyncConnection, email: str, clinic: UUID) -> None:
    owner = (await connection.execute(_OWNER)).one_or_none()
    if owner is None:
        user = (await connection.execute(_NEW_OWNER, {"email": email})).scalar_one()
        await connection.execute(_NEW_MEMBERSHIP, {"user": user, "clinic": clinic, "role": OWNER_ROLE})
    elif owner.password_hash is None and owner.email != email:
        await connection.execute(_CORRECT_ADDRESS, {"id": owner.id, "email": email})
