"""Who may do what: roles per clinic, second factors, links for passwords, limits of attempts, the trail of sign-ins.

Every clinic has the five standard roles: a trigger adds them with the clinic, whoever makes it, and a membership's role is one of its
clinic's. The trail is append-only for requests; a function of the owner clears what is older than its retention.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NOW = sa.text("now()")
STANDARD = "('admin'), ('dentist'), ('hygienist'), ('assistant'), ('receptionist')"


def _moment(name: str, *, nullable: bool = False) -> "sa.Column[Any]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=None if nullable else NOW)


def _id() -> "sa.Column[Any]":
    return sa.Column("id", sa.Uuid, primary_key=True, server_default=sa.text("gen_random_uuid()"))


def _user(**options: Any) -> "sa.Column[Any]":
    return sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id"), nullable=False, **options)


def upgrade() -> None:
    _roles()
    op.add_column("memberships", sa.Column("status", sa.String(20), nullable=False, server_default="active"))
    op.create_check_constraint("ck_memberships_status", "memberships", "status IN ('active', 'disabled')")
    op.add_column("clinics", sa.Column("second_factor_required", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("users", _moment("second_factor_since", nullable=True))
    op.add_column("refresh_tokens", sa.Column("peer", sa.String(64)))
    op.add_column("refresh_tokens", sa.Column("agent", sa.String(200)))
    _second_factors()
    op.create_table(
        "account_links",
        _id(),
        _user(index=True),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid),
        _moment("created_at"),
        _moment("used_at", nullable=True),
        _moment("sent_at", nullable=True),
        sa.Column("send_error", sa.String(200)),
        sa.UniqueConstraint("token_hash", name="uq_account_links_hash"),
        sa.CheckConstraint("purpose IN ('invitation', 'password_reset')", name="ck_account_links_purpose"),
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("window_ends", sa.DateTime(timezone=True), nullable=False, index=True),
    )
    _access_log()


def _roles() -> None:
    op.create_table(
        "roles",
        _id(),
        sa.Column("clinic_id", sa.Uuid, sa.ForeignKey("clinics.id"), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("title", sa.String(80), nullable=False, server_default=""),
        # The standard role whose grants of the core and of the modules' manifests it has.
        sa.Column("based_on", sa.String(40)),
        sa.Column("granted", JSONB, nullable=False, server_default="[]"),
        sa.Column("denied", JSONB, nullable=False, server_default="[]"),
        _moment("created_at"),
        _moment("updated_at"),
        sa.UniqueConstraint("clinic_id", "name", name="uq_roles_clinic_name"),
        sa.CheckConstraint("name ~ '^[a-z][a-z0-9_]*$'", name="ck_roles_name"),
        sa.CheckConstraint("based_on IN ('admin', 'dentist', 'hygienist', 'assistant', 'receptionist')", name="ck_roles_based_on"),
        sa.CheckConstraint(
            "name NOT IN ('admin', 'dentist', 'hygienist', 'assistant', 'receptionist') OR based_on = name AND based_on IS NOT NULL",
            name="ck_roles_standard",
        ),
        # Whoever has to repair a clinic's roles needs one that cannot be broken.
        sa.CheckConstraint("name <> 'admin' OR (granted = '[]' AND denied = '[]')", name="ck_roles_admin_is_whole"),
    )
    op.execute(
        f"""
        CREATE FUNCTION core_standard_roles() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        BEGIN
            INSERT INTO roles (clinic_id, name, based_on)
            SELECT new.id, standard.name, standard.name FROM (VALUES {STANDARD}) AS standard (name)
            ON CONFLICT DO NOTHING;
            RETURN NULL;
        END $$
        """  # noqa: S608  the names are a constant of this file
    )
    op.execute("CREATE TRIGGER standard_roles AFTER INSERT ON clinics FOR EACH ROW EXECUTE FUNCTION core_standard_roles()")
    op.execute(
        f"""
        INSERT INTO roles (clinic_id, name, based_on)
        SELECT clinics.id, standard.name, standard.name FROM clinics CROSS JOIN (VALUES {STANDARD}) AS standard (name)
        """  # noqa: S608  the names are a constant of this file
    )
    op.create_foreign_key("fk_memberships_role", "memberships", "roles", ["clinic_id", "role"], ["clinic_id", "name"])


def _second_factors() -> None:
    op.create_table(
        "second_factors",
        _user(primary_key=True),
        sa.Column("sealed", sa.Text, nullable=False),
        # The newest time step a code was accepted for: each code works once (RFC 6238, 5.2).
        sa.Column("last_step", sa.BigInteger, nullable=False, server_default="0"),
        _moment("confirmed_at", nullable=True),
        _moment("created_at"),
    )
    op.create_table(
        "recovery_codes",
        _id(),
        _user(index=True),
        sa.Column("code_hash", sa.String(64), nullable=False),
        _moment("used_at", nullable=True),
        _moment("created_at"),
        sa.UniqueConstraint("user_id", "code_hash", name="uq_recovery_codes_user_hash"),
    )


def _access_log() -> None:
    # No foreign keys: the trail outlives whom it is about.
    op.create_table(
        "access_log",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("event", sa.String(40), nullable=False),
        sa.Column("user_id", sa.Uuid),
        sa.Column("clinic_id", sa.Uuid),
        sa.Column("actor_id", sa.Uuid),
        sa.Column("peer", sa.String(64)),
        sa.Column("agent", sa.String(200)),
        sa.Column("details", JSONB, nullable=False, server_default="{}"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=NOW, index=True),
    )
    op.create_index("ix_access_log_user", "access_log", ["user_id", "id"])
    op.create_index("ix_access_log_clinic", "access_log", ["clinic_id", "id"])
    op.execute(
        """
        CREATE FUNCTION core_prune_access_log(keep_days integer) RETURNS bigint
        LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
            WITH gone AS (
                DELETE FROM access_log WHERE created_at < now() - make_interval(days => greatest(keep_days, 90)) RETURNING 1
            ) SELECT count(*) FROM gone
        $$
        """
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION core_prune_access_log(integer)")
    for table in ("access_log", "sign_in_attempts", "account_links", "recovery_codes", "second_factors"):
        op.drop_table(table)
    op.drop_column("refresh_tokens", "agent")
    op.drop_column("refresh_tokens", "peer")
    op.drop_column("users", "second_factor_since")
    op.drop_column("clinics", "second_factor_required")
    op.drop_column("memberships", "status")
    op.drop_constraint("fk_memberships_role", "memberships")
    op.execute("DROP TRIGGER standard_roles ON clinics")
    op.execute("DROP FUNCTION core_standard_roles()")
    op.drop_table("roles")
