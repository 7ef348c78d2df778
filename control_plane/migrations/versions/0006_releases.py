"""Where a release stands, its channel, whether it was yanked; the channel of a tenant.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("release", sa.Column("environment", sa.String(), nullable=True))
    op.add_column("release", sa.Column("replaced_by", sa.String(length=80), nullable=True))
    op.add_column("release", sa.Column("channel", sa.String(length=20), nullable=False, server_default="stable"))
    op.add_column("release", sa.Column("yanked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("release", sa.Column("yanked_reason", sa.String(), nullable=True))
    op.create_unique_constraint("uq_release_environment", "release", ["environment"])
    op.create_check_constraint("ck_release_yanked_has_reason", "release", "yanked_at IS NULL OR yanked_reason IS NOT NULL")
    op.add_column("tenant", sa.Column("channel", sa.String(length=20), nullable=False, server_default="stable"))


def downgrade() -> None:
    op.drop_column("tenant", "channel")
    op.drop_constraint("ck_release_yanked_has_reason", "release")
    op.drop_constraint("uq_release_environment", "release")
    for column in ("yanked_reason", "yanked_at", "channel", "replaced_by", "environment"):
        op.drop_column("release", column)
