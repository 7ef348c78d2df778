"""Outbound webhooks, outgoing mail.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "outgoing_mail",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("to", sa.String(length=254), nullable=False),
        sa.Column("template", sa.String(length=60), nullable=False),
        sa.Column("locale", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("give_up_at", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("sent_at", TIME, nullable=True),
        sa.CheckConstraint("state = 'sent' OR text IS NOT NULL", name=op.f("ck_outgoing_mail_unsent_has_text")),
        sa.CheckConstraint("state <> 'failed' OR reason IS NOT NULL", name=op.f("ck_outgoing_mail_failed_has_reason")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_outgoing_mail_tenant_id_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_outgoing_mail"),
        sa.UniqueConstraint("number", name="uq_outgoing_mail_number"),
        sa.UniqueConstraint("key", name="uq_outgoing_mail_key"),
    )
    op.create_index("ix_outgoing_mail_tenant_id", "outgoing_mail", ["tenant_id"])
    op.create_index("ix_outgoing_mail_due_at", "outgoing_mail", ["due_at"], postgresql_where=sa.text("state = 'waiting'"))
    op.execute("CREATE TRIGGER guard_state BEFORE UPDATE OF state ON outgoing_mail FOR EACH ROW EXECUTE FUNCTION guard_state()")


def downgrade() -> None:
    op.drop_table("outgoing_mail")
