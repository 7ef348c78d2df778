"""Which sign-up form opened which clinic.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "signup",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_signup_tenant_id_tenant"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_signup"),
    )
    op.create_index("ix_signup_created_at", "signup", ["created_at"])
    op.create_index("ix_signup_tenant_id", "signup", ["tenant_id"])


def downgrade() -> None:
    op.drop_table("signup")
