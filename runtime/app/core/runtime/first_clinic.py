"""The first clinic and the account of its owner, made by boot when the database has none.

Before the processor runs, so that seeds kept per clinic are loaded for it. The owner has no password until the invitation is used.
"""

import asyncpg

from app.core.runtime.revision import RevisionDocument

OWNER_ROLE = "admin"


async def ensure(connection: asyncpg.Connection, revision: RevisionDocument) -> None:
    """Make the first clinic, the owner and the membership, whichever is missing; correct the address of an owner who never signed in.

    A clinic and an owner who has a password are theirs to change: the revision does not overwrite them.
    """
    async with connection.transaction():
        await connection.execute("LOCK TABLE clinics, users, memberships IN SHARE ROW EXCLUSIVE MODE")
        clinic_id = await connection.fetchval("SELECT id FROM clinics ORDER BY created_at, id LIMIT 1")
        if clinic_id is None:
            clinic = revision.clinic
            clinic_id = await connection.fetchval(
                "INSERT INTO clinics (name, country, territory, timezone, currency, locale, legal_form, tax_id) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
                clinic.name,
                clinic.country,
                clinic.territory,
                clinic.timezone,
                clinic.currency,
                clinic.locale,
                clinic.legal_form,
                clinic.tax_id,
            )
        await _ensure_owner(connection, revision.owner.email.lower(), clinic_id)


async def _ensure_owner(connection: asyncpg.Connection, email: str, clinic_id: object) -> None:
    owner = await connection.fetchrow("SELECT id, email, password_hash FROM users WHERE is_owner ORDER BY created_at, id LIMIT 1")
    if owner is None:
        owner_id = await connection.fetchval(
            "INSERT INTO users (email, is_owner) VALUES ($1, true) "
            "ON CONFLICT ON CONSTRAINT uq_users_email DO UPDATE SET is_owner = true RETURNING id",
            email,
        )
        await connection.execute(
            "INSERT INTO memberships (user_id, clinic_id, role) VALUES ($1, $2, $3) "
            "ON CONFLICT ON CONSTRAINT uq_memberships_user_clinic DO NOTHING",
            owner_id,
            clinic_id,
            OWNER_ROLE,
        )
        return
    if owner["password_hash"] is None and owner["email"] != email:
        # Taken by a colleague in the meantime: then the account stays as it is, and the invitation says why.
        await connection.execute(
            "UPDATE users SET email = $2, updated_at = now() WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM users WHERE email = $2)",
            owner["id"],
            email,
        )
