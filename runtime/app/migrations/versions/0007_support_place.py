"""Support accesses hold in the database they were asked in, and not in one a backup of it was loaded into.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("support_accesses", sa.Column("database_oid", sa.BigInteger))


def downgrade() -> None:
    op.drop_column("support_accesses", "database_oid")
