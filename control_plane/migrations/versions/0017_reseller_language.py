"""The language a reseller is written to in.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("reseller", sa.Column("language", sa.String(length=2), server_default="en", nullable=False))
    op.create_check_constraint("ck_reseller_language_spoken", "reseller", "language IN ('en', 'es')")


def downgrade() -> None:
    op.drop_constraint("ck_reseller_language_spoken", "reseller")
    op.drop_column("reseller", "language")
