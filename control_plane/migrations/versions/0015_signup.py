"""Sign-ups that wait for a card.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "signup_reservation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("locale", sa.String(length=20), nullable=False),
        sa.Column("form", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("storefront", sa.String(length=40), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("state_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("refused", sa.String(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("customer", sa.String(length=80), nullable=True),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("checkout", sa.String(length=120), nullable=True),
        sa.Column("page", sa.String(), nullable=True),
        sa.Column("page_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state NOT IN ('waiting', 'closing') OR form IS NOT NULL", name="ck_signup_reservation_under_way_has_form"),
        sa.PrimaryKeyConstraint("id", name="pk_signup_reservation"),
        sa.UniqueConstraint("token_hash", name="uq_signup_reservation_token_hash"),
    )
    op.create_index("ix_signup_reservation_email", "signup_reservation", ["email"])
    op.create_index("ix_signup_reservation_created_at", "signup_reservation", ["created_at"])
    op.create_index(
        "ix_signup_reservation_due_at", "signup_reservation", ["due_at"], postgresql_where=sa.text("state IN ('waiting', 'closing')")
    )
    op.execute("CREATE TRIGGER guard_state BEFORE UPDATE OF state ON signup_reservation FOR EACH ROW EXECUTE FUNCTION guard_state()")


def downgrade() -> None:
    op.drop_table("signup_reservation")
