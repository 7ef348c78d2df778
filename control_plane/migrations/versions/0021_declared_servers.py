"""Database servers that are declared to CloudNativePG.

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("database_server", sa.Column("declared", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("database_server", "declared")
