"""Outbound webhooks, outgoing mail.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
GUARDED = ("outgoing_mail", "webhook_endpoint", "webhook_delivery")


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
    op.create_table(
        "webhook_endpoint",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("description", sa.String(length=200), nullable=False),
        sa.Column("events", JSONB(none_as_null=True), nullable=False),
        sa.Column("contact", sa.String(length=254), nullable=True),
        sa.Column("locale", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_previous", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", TIME, nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("leased_until", TIME, nullable=True),
        sa.Column("succeeded_at", TIME, nullable=True),
        sa.Column("failed_at", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.CheckConstraint("state <> 'disabled' OR reason IS NOT NULL", name=op.f("ck_webhook_endpoint_disabled_has_reason")),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_endpoint"),
        sa.UniqueConstraint("number", name="uq_webhook_endpoint_number"),
    )
    op.create_table(
        "webhook_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("type", sa.String(length=60), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("details", JSONB(none_as_null=True), nullable=False),
        sa.Column("happened_at", TIME, nullable=False),
        sa.Column("fanned_out_at", TIME, nullable=True),
        sa.Column("body", sa.String(), nullable=True),
        sa.CheckConstraint("fanned_out_at IS NULL OR body IS NOT NULL", name=op.f("ck_webhook_event_fanned_out_has_body")),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_event"),
        sa.UniqueConstraint("number", name="uq_webhook_event_number"),
    )
    op.create_index("ix_webhook_event_happened_at", "webhook_event", ["happened_at"])
    op.create_index("ix_webhook_event_waiting", "webhook_event", ["number"], postgresql_where=sa.text("fanned_out_at IS NULL"))
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("log", JSONB(), nullable=False),
        sa.Column("redelivery_of", sa.Uuid(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_endpoint.id"], name="fk_webhook_delivery_endpoint_id_webhook_endpoint", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["event_id"], ["webhook_event.id"], name="fk_webhook_delivery_event_id_webhook_event", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_delivery"),
        sa.UniqueConstraint("number", name="uq_webhook_delivery_number"),
    )
    op.create_index("ix_webhook_delivery_event_id", "webhook_delivery", ["event_id"])
    op.create_index("ix_webhook_delivery_endpoint_id_number", "webhook_delivery", ["endpoint_id", "number"])
    op.create_index(
        "ix_webhook_delivery_queue", "webhook_delivery", ["endpoint_id", "number"], postgresql_where=sa.text("state = 'pending'")
    )
    for table in GUARDED:
        op.execute(f"CREATE TRIGGER guard_state BEFORE UPDATE OF state ON {table} FOR EACH ROW EXECUTE FUNCTION guard_state()")


def downgrade() -> None:
    for table in ("webhook_delivery", "webhook_event", "webhook_endpoint", "outgoing_mail"):
        op.drop_table(table)
