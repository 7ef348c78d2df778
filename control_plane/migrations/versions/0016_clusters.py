"""Clusters that carry clinics.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cluster",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("region", sa.String(length=40), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("accepting", sa.Boolean(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("sealed_kubeconfig", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("capacity > 0", name="ck_cluster_holds_some"),
        sa.PrimaryKeyConstraint("name", name="pk_cluster"),
    )
    op.create_table(
        "clinic_place",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("cluster", sa.String(length=40), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_clinic_place_tenant_id_tenant"),
        sa.ForeignKeyConstraint(["cluster"], ["cluster.name"], name="fk_clinic_place_cluster_cluster"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_clinic_place"),
    )
    op.create_index("ix_clinic_place_cluster", "clinic_place", ["cluster"], unique=False)


def downgrade() -> None:
    op.drop_table("clinic_place")
    op.drop_table("cluster")
