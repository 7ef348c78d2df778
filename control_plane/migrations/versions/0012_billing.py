"""Agreements, tariffs, invoices, the payment provider's events, and bank transfer's own books.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
MONEY = sa.Numeric(12, 2)
TABLES = (
    "tariff",
    "payment_account",
    "billing_agreement",
    "billed_invoice",
    "payment_event",
    "manual_customer",
    "manual_subscription",
    "manual_invoice",
    "manual_payment",
    "manual_number",
)


def upgrade() -> None:
    op.create_table(
        "tariff",
        sa.Column("id", sa.String(length=10), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("document", JSONB(none_as_null=True), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tariff"),
    )
    op.create_table(
        "payment_account",
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("account", sa.String(length=120), nullable=False),
        sa.Column("bound_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("provider", name="pk_payment_account"),
    )
    # Readings of the provider are numbered when they begin: an older one never overwrites a newer one, whatever the clocks say.
    op.execute(sa.schema.CreateSequence(sa.Sequence("billing_reading")))
    op.create_table(
        "billing_agreement",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("plan", sa.String(length=40), nullable=False),
        sa.Column("tariff", sa.String(length=10), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("begins", sa.String(length=20), nullable=False),
        sa.Column("payer", sa.String(length=20), nullable=False),
        sa.Column("reseller_id", sa.Uuid(), nullable=True),
        sa.Column("prices", JSONB(none_as_null=True), nullable=False),
        sa.Column("agreed_at", TIME, nullable=False),
        sa.Column("agreed_by", sa.String(length=120), nullable=False),
        sa.Column("customer", sa.String(length=80), nullable=True),
        sa.Column("checkout", sa.String(length=120), nullable=True),
        sa.Column("subscription", sa.String(length=80), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("items", JSONB(none_as_null=True), nullable=False),
        sa.Column("trial_ends", TIME, nullable=True),
        sa.Column("period_ends", TIME, nullable=True),
        sa.Column("cancels_at_period_end", sa.Boolean(), nullable=False),
        sa.Column("cancel_asked", sa.Boolean(), nullable=True),
        sa.Column("ends_with_tenant", sa.Boolean(), nullable=False),
        sa.Column("has_method", sa.Boolean(), nullable=False),
        sa.Column("method", sa.String(length=80), nullable=True),
        sa.Column("overdue_since", TIME, nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("prorate_at", TIME, nullable=True),
        sa.Column("reading", sa.BigInteger(), nullable=False),
        sa.Column("read_at", TIME, nullable=True),
        sa.Column("look_at", TIME, nullable=False),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("problem_code", sa.String(length=80), nullable=True),
        sa.Column("problem_since", TIME, nullable=True),
        sa.CheckConstraint("payer = 'clinic' OR reseller_id IS NOT NULL", name=op.f("ck_billing_agreement_payer_is_known")),
        sa.CheckConstraint("(problem IS NULL) = (problem_since IS NULL)", name=op.f("ck_billing_agreement_problem_has_time")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_billing_agreement_tenant_id_tenant"),
        sa.ForeignKeyConstraint(["tariff"], ["tariff.id"], name="fk_billing_agreement_tariff_tariff"),
        sa.ForeignKeyConstraint(["reseller_id"], ["reseller.id"], name="fk_billing_agreement_reseller_id_reseller"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_billing_agreement"),
        sa.UniqueConstraint("provider", "subscription", name="uq_billing_agreement_provider_subscription"),
    )
    op.create_index("ix_billing_agreement_customer", "billing_agreement", ["customer"])
    op.create_index("ix_billing_agreement_reseller_id", "billing_agreement", ["reseller_id"])
    op.create_index("ix_billing_agreement_look_at", "billing_agreement", ["look_at"])
    op.create_index(
        "ix_billing_agreement_overdue", "billing_agreement", ["overdue_since"], postgresql_where=sa.text("overdue_since IS NOT NULL")
    )
    op.create_table(
        "billed_invoice",
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=80), nullable=True),
        sa.Column("customer", sa.String(length=80), nullable=False),
        sa.Column("subscription", sa.String(length=80), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("net", MONEY, nullable=False),
        sa.Column("total", MONEY, nullable=False),
        sa.Column("due", MONEY, nullable=False),
        sa.Column("paid", MONEY, nullable=False),
        sa.Column("refunded", MONEY, nullable=False),
        sa.Column("disputed", MONEY, nullable=False),
        sa.Column("lines", JSONB(none_as_null=True), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=True),
        sa.Column("paid_at", TIME, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", TIME, nullable=True),
        sa.Column("page", sa.String(), nullable=True),
        sa.Column("refused_method", sa.String(length=80), nullable=True),
        sa.Column("refused_reason", sa.String(), nullable=True),
        sa.Column("reading", sa.BigInteger(), nullable=False),
        sa.Column("read_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_billed_invoice_tenant_id_tenant"),
        sa.PrimaryKeyConstraint("provider", "id", name="pk_billed_invoice"),
    )
    op.create_index("ix_billed_invoice_tenant_id", "billed_invoice", ["tenant_id", "created_at"])
    op.create_table(
        "payment_event",
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("id", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=120), nullable=False),
        sa.Column("objects", JSONB(none_as_null=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("happened_at", TIME, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_payment_event_tenant_id_tenant"),
        sa.PrimaryKeyConstraint("provider", "id", name="pk_payment_event"),
    )
    op.create_index("ix_payment_event_received_at", "payment_event", ["received_at"])
    op.create_index("ix_payment_event_tenant_id", "payment_event", ["tenant_id"])
    # Bank transfer is a provider of its own that happens to live here: these rows refer to each other and to no tenant's row.
    op.create_table(
        "manual_customer",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("reference", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("tax_id", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_manual_customer"),
    )
    op.create_table(
        "manual_subscription",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("customer", sa.String(length=80), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("items", JSONB(none_as_null=True), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("credit", MONEY, nullable=False),
        sa.Column("trial_ends", TIME, nullable=True),
        sa.Column("anchor", TIME, nullable=False),
        sa.Column("period_starts", TIME, nullable=False),
        sa.Column("period_ends", TIME, nullable=False),
        sa.Column("cancels_at_period_end", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.CheckConstraint("credit >= 0", name=op.f("ck_manual_subscription_credit_is_owed_by_us")),
        sa.PrimaryKeyConstraint("id", name="pk_manual_subscription"),
    )
    op.create_index("ix_manual_subscription_customer", "manual_subscription", ["customer"])
    op.create_index("ix_manual_subscription_due", "manual_subscription", ["period_ends"], postgresql_where=sa.text("ended_at IS NULL"))
    op.create_table(
        "manual_invoice",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("subscription", sa.String(length=80), nullable=False),
        sa.Column("customer", sa.String(length=80), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("net", MONEY, nullable=False),
        sa.Column("tax", MONEY, nullable=False),
        sa.Column("total", MONEY, nullable=False),
        sa.Column("credited", MONEY, nullable=False),
        sa.Column("lines", JSONB(none_as_null=True), nullable=False),
        sa.Column("billed_to", JSONB(none_as_null=True), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("paid_at", TIME, nullable=True),
        sa.CheckConstraint("total = net + tax", name=op.f("ck_manual_invoice_adds_up")),
        sa.CheckConstraint("credited >= 0 AND credited <= total", name=op.f("ck_manual_invoice_credited_within_total")),
        sa.ForeignKeyConstraint(["subscription"], ["manual_subscription.id"], name="fk_manual_invoice_subscription_manual_subscription"),
        sa.PrimaryKeyConstraint("id", name="pk_manual_invoice"),
        sa.UniqueConstraint("number", name="uq_manual_invoice_number"),
    )
    op.create_index("ix_manual_invoice_customer", "manual_invoice", ["customer"])
    op.create_table(
        "manual_payment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("invoice", sa.String(length=80), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("amount", MONEY, nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.Column("recorded_by", sa.String(length=120), nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_manual_payment_moves_something")),
        sa.ForeignKeyConstraint(["invoice"], ["manual_invoice.id"], name="fk_manual_payment_invoice_manual_invoice"),
        sa.PrimaryKeyConstraint("id", name="pk_manual_payment"),
        sa.UniqueConstraint("number", name="uq_manual_payment_number"),
        sa.UniqueConstraint("invoice", "key", name="uq_manual_payment_invoice_key"),
    )
    op.create_table(
        "manual_number",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("year", name="pk_manual_number"),
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute(sa.schema.DropSequence(sa.Sequence("billing_reading")))
