"""Agents: how a clinic runs them, their sessions, the calls that wait for a person, the trail of every call; people's access tokens."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NOW = sa.text("now()")


def _id() -> "sa.Column[Any]":
    return sa.Column("id", sa.Uuid, primary_key=True, server_default=sa.text("gen_random_uuid()"))


def _clinic() -> "sa.Column[Any]":
    return sa.Column("clinic_id", sa.Uuid, sa.ForeignKey("clinics.id"), nullable=False)


def _moment(name: str, *, nullable: bool = False) -> "sa.Column[Any]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=None if nullable else NOW)


def upgrade() -> None:
    op.create_table(
        "agents",
        _id(),
        _clinic(),
        sa.Column("name", sa.String(160), nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("mode", sa.String(20), nullable=False),
        # What the agent may do when nobody stands behind it (a job); with a person it has that person's rights.
        sa.Column("role", sa.String(40)),
        sa.Column("guardrails", JSONB, nullable=False, server_default="{}"),
        sa.Column("changed_by", sa.Uuid),
        _moment("created_at"),
        _moment("updated_at"),
        sa.CheckConstraint("mode IN ('supervised', 'autonomous')", name="ck_agents_mode"),
        sa.UniqueConstraint("clinic_id", "name", name="uq_agents_clinic_name"),
    )
    op.create_table(
        "agent_sessions",
        _id(),
        _clinic(),
        sa.Column("agent", sa.String(160), nullable=False),
        sa.Column("user_id", sa.Uuid),
        sa.Column("credential_id", sa.Uuid),
        sa.Column("mode", sa.String(20), nullable=False),
        sa.Column("status", sa.String(20), nullable=False, server_default="active"),
        sa.Column("summary", sa.Text, nullable=False, server_default=""),
        sa.Column("deadline_at", sa.DateTime(timezone=True)),
        _moment("started_at"),
        _moment("ended_at", nullable=True),
        sa.CheckConstraint("status IN ('active', 'done', 'failed', 'ended')", name="ck_agent_sessions_status"),
    )
    op.create_index("ix_agent_sessions_clinic", "agent_sessions", ["clinic_id", "started_at"])
    # One session per assistant and credential: ending it shuts that credential out for good.
    op.create_index(
        "uq_agent_sessions_credential",
        "agent_sessions",
        ["clinic_id", "credential_id"],
        unique=True,
        postgresql_where=sa.text("credential_id IS NOT NULL"),
    )
    op.create_table(
        "agent_approval_queue",
        _id(),
        _clinic(),
        sa.Column("session_id", sa.Uuid, nullable=False),
        sa.Column("agent", sa.String(160), nullable=False),
        sa.Column("user_id", sa.Uuid),
        # What limited the asker beside their role: the scopes of a token, the tools of an agent. It limits the execution too.
        sa.Column("scopes", JSONB),
        sa.Column("tool", sa.String(160), nullable=False),
        sa.Column("category", sa.String(20), nullable=False),
        sa.Column("arguments", JSONB, nullable=False),
        sa.Column("status", sa.String(20), nullable=False, server_default="pending"),
        sa.Column("decided_by", sa.Uuid),
        sa.Column("note", sa.String(500), nullable=False, server_default=""),
        sa.Column("result", JSONB),
        sa.Column("code", sa.String(80)),
        _moment("created_at"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        _moment("decided_at", nullable=True),
        sa.CheckConstraint("status IN ('pending', 'rejected', 'executed', 'failed')", name="ck_agent_approval_queue_status"),
    )
    op.create_index("ix_agent_approval_queue_clinic", "agent_approval_queue", ["clinic_id", "created_at"])
    op.create_index(
        "ix_agent_approval_queue_pending", "agent_approval_queue", ["session_id"], postgresql_where=sa.text("status = 'pending'")
    )
    op.create_table(
        "agent_audit_logs",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        _clinic(),
        sa.Column("session_id", sa.Uuid, nullable=False),
        sa.Column("agent", sa.String(160), nullable=False),
        sa.Column("user_id", sa.Uuid),
        sa.Column("mode", sa.String(20), nullable=False),
        sa.Column("tool", sa.String(160), nullable=False),
        sa.Column("category", sa.String(20)),
        sa.Column("arguments", JSONB, nullable=False, server_default="{}"),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("code", sa.String(80)),
        sa.Column("approval_id", sa.Uuid),
        sa.Column("approved_by", sa.Uuid),
        _moment("created_at"),
        _moment("finished_at", nullable=True),
        sa.CheckConstraint("status IN ('started', 'completed', 'failed', 'refused', 'waiting')", name="ck_agent_audit_logs_status"),
    )
    op.create_index("ix_agent_audit_logs_session", "agent_audit_logs", ["session_id", "created_at"])
    op.create_index("ix_agent_audit_logs_clinic", "agent_audit_logs", ["clinic_id", "id"])
    op.create_table(
        "personal_access_tokens",
        _id(),
        _clinic(),
        sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id"), nullable=False, index=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("scopes", JSONB, nullable=False),
        _moment("created_at"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        _moment("last_used_at", nullable=True),
        _moment("revoked_at", nullable=True),
        sa.UniqueConstraint("token_hash", name="uq_personal_access_tokens_hash"),
    )
    op.create_index("ix_personal_access_tokens_clinic", "personal_access_tokens", ["clinic_id"])


def downgrade() -> None:
    for table in ("personal_access_tokens", "agent_audit_logs", "agent_approval_queue", "agent_sessions", "agents"):
        op.drop_table(table)
