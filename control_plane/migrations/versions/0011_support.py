"""Support access with the clinic's consent, recovery codes of accounts.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
UNFINISHED = sa.text("state IN ('asked', 'closing', 'open', 'sending')")


def upgrade() -> None:
    op.create_table(
        "support_request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("operator", sa.String(length=254), nullable=False),
        sa.Column("operator_name", sa.String(length=200), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("looked_at", TIME, nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("decided_at", TIME, nullable=True),
        sa.Column("decided_by", sa.String(length=254), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("ends_at", TIME, nullable=True),
        sa.Column("opened_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("reads", sa.Integer(), nullable=False),
        sa.CheckConstraint("minutes BETWEEN 1 AND 60", name=op.f("ck_support_request_an_hour_at_most")),
        sa.CheckConstraint("state <> 'open' OR ends_at IS NOT NULL", name=op.f("ck_support_request_open_has_end")),
        sa.CheckConstraint("state <> 'failed' OR reason IS NOT NULL", name=op.f("ck_support_request_failed_has_reason")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_support_request_tenant_id_tenant"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_support_request_account_id_account"),
        sa.PrimaryKeyConstraint("id", name="pk_support_request"),
        sa.UniqueConstraint("number", name="uq_support_request_number"),
    )
    op.create_index(
        "uq_support_request_unfinished", "support_request", ["tenant_id", "account_id"], unique=True, postgresql_where=UNFINISHED
    )
    op.create_index("ix_support_request_due_at", "support_request", ["due_at"], postgresql_where=UNFINISHED)
    op.create_index("ix_support_request_tenant_id", "support_request", ["tenant_id", "number"])
    op.execute("CREATE TRIGGER guard_state BEFORE UPDATE OF state ON support_request FOR EACH ROW EXECUTE FUNCTION guard_state()")
    op.create_table(
        "recovery_code",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_recovery_code_account_id_account"),
        sa.PrimaryKeyConstraint("id", name="pk_recovery_code"),
        sa.UniqueConstraint("account_id", "digest", name="uq_recovery_code_account_id_digest"),
    )


def downgrade() -> None:
    for table in ("recovery_code", "support_request"):
        op.drop_table(table)
