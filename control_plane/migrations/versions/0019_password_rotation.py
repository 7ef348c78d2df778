"""Which of a tenant's database passwords are in use.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tenant", sa.Column("password_serial", sa.Integer(), server_default="0", nullable=False))
    op.add_column("tenant", sa.Column("passwords_settled", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.add_column("tenant", sa.Column("passwords_since", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for column in ("passwords_since", "passwords_settled", "password_serial"):
        op.drop_column("tenant", column)
