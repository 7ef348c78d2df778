"""Host names of clinics' own.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "tenant_domain",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("proof", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("deadline", TIME, nullable=True),
        sa.Column("look_at", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("verified_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.CheckConstraint(
            "(state = 'pending') = (deadline IS NOT NULL) AND (state = 'pending') = (look_at IS NOT NULL)",
            name=op.f("ck_tenant_domain_is_looked_for"),
        ),
        sa.CheckConstraint("(state IN ('lapsed', 'removed')) = (ended_at IS NOT NULL)", name=op.f("ck_tenant_domain_over_has_end")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_tenant_domain_tenant_id_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_tenant_domain"),
    )
    op.create_index("uq_tenant_domain_verified", "tenant_domain", ["name"], unique=True, postgresql_where=sa.text("state = 'verified'"))
    op.create_index(
        "uq_tenant_domain_asked",
        "tenant_domain",
        ["tenant_id", "name"],
        unique=True,
        postgresql_where=sa.text("state IN ('pending', 'verified')"),
    )
    op.create_index("ix_tenant_domain_look_at", "tenant_domain", ["look_at"], postgresql_where=sa.text("state = 'pending'"))
    op.execute("CREATE TRIGGER guard_state BEFORE UPDATE OF state ON tenant_domain FOR EACH ROW EXECUTE FUNCTION guard_state()")


def downgrade() -> None:
    op.drop_table("tenant_domain")
