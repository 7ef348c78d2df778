"""Where tenants stand on the ladder of non-payment.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "payment_standing",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("state_since", TIME, nullable=False),
        sa.Column("why", sa.String(length=20), nullable=True),
        sa.Column("since", TIME, nullable=True),
        sa.Column("announced", sa.String(length=20), nullable=True),
        sa.Column("announced_at", TIME, nullable=True),
        sa.Column("next_at", TIME, nullable=True),
        sa.Column("extended_until", TIME, nullable=True),
        sa.Column("extended_because", sa.String(length=500), nullable=True),
        sa.Column("extended_by", sa.String(length=120), nullable=True),
        sa.Column("look_at", TIME, nullable=True),
        sa.Column("waits", sa.String(), nullable=True),
        sa.Column("carried", sa.String(length=60), nullable=True),
        sa.Column("archive", sa.Uuid(), nullable=True),
        sa.CheckConstraint("(why IS NULL) = (since IS NULL)", name=op.f("ck_payment_standing_cause_has_day")),
        sa.CheckConstraint("(announced IS NULL) = (announced_at IS NULL)", name=op.f("ck_payment_standing_announced_has_time")),
        sa.CheckConstraint("(extended_until IS NULL) = (extended_because IS NULL)", name=op.f("ck_payment_standing_extended_has_reason")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_payment_standing_tenant_id_tenant"),
        sa.ForeignKeyConstraint(["archive"], ["backup.id"], name="fk_payment_standing_archive_backup"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_payment_standing"),
    )
    op.create_index("ix_payment_standing_look_at", "payment_standing", ["look_at"], postgresql_where=sa.text("look_at IS NOT NULL"))
    op.create_index("ix_payment_standing_state", "payment_standing", ["state", "tenant_id"], postgresql_where=sa.text("state <> 'none'"))
    op.execute("CREATE TRIGGER guard_state BEFORE UPDATE OF state ON payment_standing FOR EACH ROW EXECUTE FUNCTION guard_state()")


def downgrade() -> None:
    op.drop_table("payment_standing")
