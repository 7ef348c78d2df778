"""Parameters, direction and error class of operations; undoing of deletions; periodic passes.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_EMPTY = sa.text("'{}'::jsonb")


def upgrade() -> None:
    op.add_column("operation", sa.Column("error_class", sa.String(length=20), nullable=True))
    op.add_column("operation", sa.Column("params", postgresql.JSONB(), nullable=False, server_default=_EMPTY))
    op.add_column("operation", sa.Column("direction", sa.String(length=20), nullable=False, server_default="forward"))
    op.add_column("operation", sa.Column("failure", postgresql.JSONB(), nullable=True))
    op.add_column("operation", sa.Column("asked", sa.String(length=20), nullable=True))
    op.add_column("operation", sa.Column("asked_reason", sa.String(), nullable=True))
    op.add_column("operation", sa.Column("asked_by", sa.String(length=120), nullable=True))
    op.alter_column("operation", "params", server_default=None)
    op.alter_column("operation", "direction", server_default=None)
    op.execute("UPDATE operation SET error_class = 'us' WHERE reason IS NOT NULL")
    op.create_check_constraint(
        op.f("ck_operation_stuck_has_class"), "operation", "state NOT IN ('failed', 'waiting') OR error_class IS NOT NULL"
    )
    op.create_check_constraint(op.f("ck_operation_back_has_failure"), "operation", "direction = 'forward' OR failure IS NOT NULL")
    op.create_index("ix_operation_failed", "operation", ["next_attempt_at"], postgresql_where=sa.text("state = 'failed'"))
    op.add_column("tenant", sa.Column("state_error_class", sa.String(length=20), nullable=True))
    op.add_column("tenant", sa.Column("delete_after", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE tenant SET state_error_class = 'us' WHERE state_reason IS NOT NULL")
    # 0001 named them twice over.
    op.drop_constraint(op.f("ck_tenant_ck_tenant_under_way_has_deadline"), "tenant")
    op.drop_constraint(op.f("ck_tenant_ck_tenant_stuck_has_reason"), "tenant")
    op.create_check_constraint(
        op.f("ck_tenant_under_way_has_deadline"),
        "tenant",
        "state NOT IN ('changing', 'closing', 'deleting', 'provisioning', 'restoring') OR state_deadline IS NOT NULL",
    )
    op.create_check_constraint(
        op.f("ck_tenant_stuck_has_reason"),
        "tenant",
        "state NOT IN ('degraded', 'delete_failed', 'failed') OR state_reason IS NOT NULL AND state_error_class IS NOT NULL",
    )
    op.create_table(
        "periodic_pass",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_periodic_pass"),
    )


def downgrade() -> None:
    op.drop_table("periodic_pass")
    op.drop_constraint(op.f("ck_tenant_stuck_has_reason"), "tenant")
    op.drop_constraint(op.f("ck_tenant_under_way_has_deadline"), "tenant")
    op.create_check_constraint(
        op.f("ck_tenant_ck_tenant_under_way_has_deadline"),
        "tenant",
        "state NOT IN ('changing', 'deleting', 'provisioning') OR state_deadline IS NOT NULL",
    )
    op.create_check_constraint(
        op.f("ck_tenant_ck_tenant_stuck_has_reason"),
        "tenant",
        "state NOT IN ('failed', 'degraded', 'delete_failed') OR state_reason IS NOT NULL",
    )
    op.drop_column("tenant", "delete_after")
    op.drop_column("tenant", "state_error_class")
    op.drop_index("ix_operation_failed", "operation")
    op.drop_constraint(op.f("ck_operation_back_has_failure"), "operation")
    op.drop_constraint(op.f("ck_operation_stuck_has_class"), "operation")
    for column in ("asked_by", "asked_reason", "asked", "failure", "direction", "params", "error_class"):
        op.drop_column("operation", column)
