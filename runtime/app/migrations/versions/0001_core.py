"""Core schema: clinics, people and their sessions, the books of the module system, the outbox.

The anchor of every module's branch. The core's own tables are described once here and mapped in the packages that use them.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NOW = sa.text("now()")


def _id() -> "sa.Column[Any]":
    return sa.Column("id", sa.Uuid, primary_key=True, server_default=sa.text("gen_random_uuid()"))


def _moment(name: str, *, nullable: bool = False) -> "sa.Column[Any]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=None if nullable else NOW)


def upgrade() -> None:
    op.create_table(
        "clinics",
        _id(),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("territory", sa.String(8)),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("locale", sa.String(16), nullable=False),
        sa.Column("legal_form", sa.String(40)),
        sa.Column("tax_id", sa.String(40)),
        sa.Column("status", sa.String(20), nullable=False, server_default="active"),
        _moment("created_at"),
        _moment("updated_at"),
        sa.CheckConstraint("status IN ('active', 'archived')", name="ck_clinics_status"),
    )
    op.create_table(
        "users",
        _id(),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("full_name", sa.String(200), nullable=False, server_default=""),
        sa.Column("password_hash", sa.Text),
        sa.Column("status", sa.String(20), nullable=False, server_default="active"),
        sa.Column("is_owner", sa.Boolean, nullable=False, server_default=sa.false()),
        _moment("password_set_at", nullable=True),
        _moment("created_at"),
        _moment("updated_at"),
        sa.CheckConstraint("email = lower(email)", name="ck_users_email_lower"),
        sa.CheckConstraint("status IN ('active', 'disabled')", name="ck_users_status"),
        sa.UniqueConstraint("email", name="uq_users_email"),
    )
    op.create_table(
        "memberships",
        _id(),
        sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("clinic_id", sa.Uuid, sa.ForeignKey("clinics.id"), nullable=False, index=True),
        sa.Column("role", sa.String(40), nullable=False),
        _moment("created_at"),
        sa.UniqueConstraint("user_id", "clinic_id", name="uq_memberships_user_clinic"),
    )
    op.create_table(
        "refresh_tokens",
        _id(),
        sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id"), nullable=False, index=True),
        sa.Column("family_id", sa.Uuid, nullable=False, index=True),
        sa.Column("token_hash", sa.String(64), nullable=False),
        _moment("expires_at", nullable=True),
        _moment("used_at", nullable=True),
        _moment("revoked_at", nullable=True),
        _moment("created_at"),
        sa.UniqueConstraint("token_hash", name="uq_refresh_tokens_hash"),
    )
    op.create_table(
        "burned_tokens",
        sa.Column("jti", sa.String(64), primary_key=True),
        _moment("expires_at", nullable=True),
        _moment("burned_at"),
    )
    op.create_table(
        "core_setting",
        sa.Column("key", sa.String(80), primary_key=True),
        sa.Column("value", JSONB, nullable=False),
        _moment("updated_at"),
    )
    op.create_table(
        "core_revision",
        sa.Column("generation", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("identity", sa.String(80), nullable=False),
        sa.Column("effect", sa.String(80), nullable=False),
        sa.Column("document", JSONB, nullable=False),
        _moment("adopted_at"),
    )
    op.create_table(
        "core_module",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("version", sa.String(40)),
        sa.Column("state", sa.String(20), nullable=False, server_default="uninstalled"),
        sa.Column("category", sa.String(20), nullable=False, server_default="community"),
        sa.Column("removable", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("auto_install", sa.Boolean, nullable=False, server_default=sa.false()),
        # The generation whose revision asked for the module; a module without one is never removed by a revision's silence.
        sa.Column("by_generation", sa.BigInteger),
        sa.Column("base_revision", sa.String(120)),
        sa.Column("applied_revision", sa.String(120)),
        sa.Column("manifest_snapshot", JSONB, nullable=False, server_default="{}"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("error_message", sa.Text),
        _moment("error_at", nullable=True),
        _moment("installed_at", nullable=True),
        _moment("last_state_change"),
        sa.CheckConstraint(
            "state IN ('uninstalled', 'to_install', 'installed', 'to_upgrade', 'to_remove', 'disabled')", name="ck_core_module_state"
        ),
    )
    # No foreign key: the log is written on a second connection while the module's transaction holds its core_module row.
    op.create_table(
        "core_module_operation_log",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("module_name", sa.String(80), nullable=False),
        sa.Column("operation", sa.String(20), nullable=False),
        sa.Column("step", sa.String(20), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False, server_default="1"),
        sa.Column("generation", sa.BigInteger),
        sa.Column("process", sa.String(80), nullable=False, server_default=""),
        sa.Column("details", JSONB, nullable=False, server_default="{}"),
        _moment("created_at"),
        sa.CheckConstraint("status IN ('started', 'completed', 'failed')", name="ck_core_module_operation_log_status"),
    )
    op.create_index("ix_core_module_operation_log_module", "core_module_operation_log", ["module_name", "id"])
    op.create_table(
        "core_external_id",
        _id(),
        sa.Column("module_name", sa.String(80), nullable=False),
        sa.Column("xml_id", sa.String(200), nullable=False),
        sa.Column("table_name", sa.String(80), nullable=False),
        sa.Column("record_id", sa.Uuid, nullable=False),
        sa.Column("clinic_id", sa.Uuid, sa.ForeignKey("clinics.id")),
        sa.Column("noupdate", sa.Boolean, nullable=False, server_default=sa.false()),
        _moment("created_at"),
        sa.UniqueConstraint("xml_id", "clinic_id", name="uq_core_external_id_xml_id_clinic", postgresql_nulls_not_distinct=True),
    )
    op.create_index("ix_core_external_id_module", "core_external_id", ["module_name"])
    op.create_index("ix_core_external_id_record", "core_external_id", ["table_name", "record_id"])
    op.create_table(
        "core_table_owner",
        sa.Column("table_name", sa.String(80), primary_key=True),
        sa.Column("module_name", sa.String(80), nullable=False, index=True),
        sa.Column("revision", sa.String(120), nullable=False),
        _moment("created_at"),
    )
    op.create_table(
        "core_event",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("clinic_id", sa.Uuid),
        sa.Column("entity", sa.String(160), nullable=False),
        sa.Column("payload", JSONB, nullable=False),
        _moment("created_at"),
    )
    op.create_table(
        "core_event_delivery",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("event_id", sa.BigInteger, sa.ForeignKey("core_event.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("module_name", sa.String(80), nullable=False),
        sa.Column("handler", sa.String(200), nullable=False),
        # Copied from the event, so that the order per (clinic, entity) is one indexed look-up.
        sa.Column("clinic_id", sa.Uuid),
        sa.Column("entity", sa.String(160), nullable=False),
        sa.Column("status", sa.String(20), nullable=False, server_default="pending"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False, server_default=NOW),
        sa.Column("last_error", sa.Text),
        _moment("finished_at", nullable=True),
        sa.UniqueConstraint("event_id", "module_name", "handler", name="uq_core_event_delivery_handler"),
        sa.CheckConstraint("status IN ('pending', 'done', 'dead', 'closed')", name="ck_core_event_delivery_status"),
    )
    op.create_index(
        "ix_core_event_delivery_due", "core_event_delivery", ["next_attempt_at"], postgresql_where=sa.text("status = 'pending'")
    )
    op.create_index(
        "ix_core_event_delivery_order",
        "core_event_delivery",
        ["module_name", "handler", "entity", "event_id"],
        postgresql_where=sa.text("status = 'pending'"),
    )


def downgrade() -> None:
    for table in (
        "core_event_delivery",
        "core_event",
        "core_table_owner",
        "core_external_id",
        "core_module_operation_log",
        "core_module",
        "core_revision",
        "core_setting",
        "burned_tokens",
        "refresh_tokens",
        "memberships",
        "users",
        "clinics",
    ):
        op.drop_table(table)
