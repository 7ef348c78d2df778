"""Support access with the clinic's consent.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
STATES = "'requested', 'active', 'declined', 'lapsed', 'withdrawn', 'ended', 'revoked', 'closed'"


def upgrade() -> None:
    op.create_table(
        "support_accesses",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("operator", sa.String(254), nullable=False),
        sa.Column("operator_name", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("minutes", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("requested_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("decided_at", TIME),
        sa.Column("decided_by", sa.Uuid),
        sa.Column("note", sa.String(500)),
        sa.Column("ends_at", TIME),
        sa.Column("opened_at", TIME),
        sa.Column("token_hash", sa.String(64)),
        sa.Column("ended_at", TIME),
        sa.Column("ended_by", sa.Uuid),
        sa.CheckConstraint(f"state IN ({STATES})", name="ck_support_accesses_state"),
        sa.CheckConstraint("minutes BETWEEN 1 AND 60", name="ck_support_accesses_minutes"),
        # Whatever the code does: nobody is in without somebody's consent, or for longer than an hour.
        sa.CheckConstraint(
            "state <> 'active' OR decided_by IS NOT NULL AND decided_at IS NOT NULL AND ends_at IS NOT NULL",
            name="ck_support_accesses_consent",
        ),
        sa.CheckConstraint("ends_at <= decided_at + interval '60 minutes'", name="ck_support_accesses_an_hour"),
        sa.CheckConstraint("token_hash IS NULL OR state = 'active'", name="ck_support_accesses_session"),
        sa.UniqueConstraint("token_hash", name="uq_support_accesses_token_hash"),
    )
    op.create_table(
        "support_reads",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("access_id", sa.Uuid, sa.ForeignKey("support_accesses.id"), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("method", sa.String(10), nullable=False),
        sa.Column("path", sa.String(400), nullable=False),
    )
    op.create_index("ix_support_reads_access", "support_reads", ["access_id", "id"])


def downgrade() -> None:
    op.drop_table("support_reads")
    op.drop_table("support_accesses")
