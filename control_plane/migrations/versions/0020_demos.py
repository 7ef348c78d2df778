"""Demonstrations: tenants with invented records that end on a day.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("tenant", sa.Column("demo_until", sa.Date(), nullable=True))
    op.add_column("tenant", sa.Column("demo_language", sa.String(length=2), nullable=True))
    op.create_check_constraint("ck_tenant_demo_whole", "tenant", "(demo_until IS NULL) = (demo_language IS NULL)")
    op.create_check_constraint("ck_tenant_demo_is_no_copy", "tenant", "demo_until IS NULL OR copy_of IS NULL")
    op.add_column("reseller_terms", sa.Column("max_demos", sa.Integer(), server_default="3", nullable=True))
    op.create_table(
        "demo",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("reseller_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("opened_by", sa.String(length=120), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("extended_at", TIME, nullable=True),
        sa.Column("told_at", TIME, nullable=True),
        sa.Column("look_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("ended_by", sa.String(length=120), nullable=True),
        sa.Column("erased_at", TIME, nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.CheckConstraint("ends_at <= created_at + interval '60 days'", name=op.f("ck_demo_ends_within_sixty_days")),
        sa.CheckConstraint("(state IN ('erasing', 'erased')) = (ended_at IS NOT NULL)", name=op.f("ck_demo_over_has_end")),
        sa.CheckConstraint("(state = 'erased') = (erased_at IS NOT NULL)", name=op.f("ck_demo_erased_has_time")),
        sa.CheckConstraint("(state = 'erased') = (look_at IS NULL)", name=op.f("ck_demo_looked_at_until_erased")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_demo_tenant_id_tenant"),
        sa.ForeignKeyConstraint(["reseller_id"], ["reseller.id"], name="fk_demo_reseller_id_reseller"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_demo"),
        sa.UniqueConstraint("number", name="uq_demo_number"),
    )
    op.create_index("ix_demo_look_at", "demo", ["look_at"], postgresql_where=sa.text("state <> 'erased'"))
    op.create_index("ix_demo_reseller_id", "demo", ["reseller_id", "number"])
    op.execute("CREATE TRIGGER guard_state BEFORE UPDATE OF state ON demo FOR EACH ROW EXECUTE FUNCTION guard_state()")


def downgrade() -> None:
    op.drop_table("demo")
    op.drop_column("reseller_terms", "max_demos")
    op.drop_column("tenant", "demo_language")
    op.drop_column("tenant", "demo_until")
