"""Resellers: terms, price books, branding, whose a tenant is, transfers, the commission ledger and its statements.

Revision ID: 0014
Revises: 0013
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
MONEY = sa.Numeric(12, 2)
IMMUTABLE = ("reseller_terms", "reseller_price_book", "commission_entry")


def numbered(table: str) -> tuple[sa.Column[Any] | sa.Constraint, ...]:
    return (
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.UniqueConstraint("number", name=f"uq_{table}_number"),
    )


def belongs(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=f"fk_{table}_{column}_{to}")


def upgrade() -> None:
    op.add_column("reseller", sa.Column("slug", sa.String(length=40), nullable=True))
    op.add_column("reseller", sa.Column("billing_email", sa.String(length=254), nullable=True))
    op.create_unique_constraint("uq_reseller_slug", "reseller", ["slug"])
    op.create_table(
        "reseller_terms",
        *numbered("reseller_terms"),
        sa.Column("reseller_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", TIME, nullable=False),
        sa.Column("max_tenants", sa.Integer(), nullable=True),
        sa.Column("modules", JSONB(none_as_null=True), nullable=True),
        sa.Column("regions", JSONB(none_as_null=True), nullable=True),
        sa.Column("wholesale_percent", sa.Numeric(5, 2), nullable=False),
        sa.Column("commission_percent", sa.Numeric(5, 2), nullable=False),
        sa.Column("note", sa.String(length=400), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.CheckConstraint("valid_from >= created_at", name=op.f("ck_reseller_terms_never_backdated")),
        sa.CheckConstraint("wholesale_percent BETWEEN 0 AND 100", name=op.f("ck_reseller_terms_wholesale_is_a_part")),
        sa.CheckConstraint("commission_percent BETWEEN 0 AND 100", name=op.f("ck_reseller_terms_commission_is_a_part")),
        belongs("reseller_terms", "reseller_id", "reseller"),
    )
    op.create_index("ix_reseller_terms_in_force", "reseller_terms", ["reseller_id", "valid_from", "number"])
    op.create_table(
        "reseller_price_book",
        *numbered("reseller_price_book"),
        sa.Column("reseller_id", sa.Uuid(), nullable=False),
        sa.Column("tariff", sa.String(length=20), nullable=False),
        sa.Column("prices", JSONB(none_as_null=True), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        belongs("reseller_price_book", "reseller_id", "reseller"),
    )
    op.create_index("ix_reseller_price_book_newest", "reseller_price_book", ["reseller_id", "number"])
    op.create_table(
        "reseller_brand",
        sa.Column("reseller_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=80), nullable=False),
        sa.Column("colour", sa.String(length=7), nullable=False),
        sa.Column("support_email", sa.String(length=254), nullable=True),
        sa.Column("website", sa.String(length=300), nullable=True),
        sa.Column("logo", sa.LargeBinary(), nullable=True),
        sa.Column("logo_digest", sa.String(length=64), nullable=True),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint("(logo IS NULL) = (logo_digest IS NULL)", name=op.f("ck_reseller_brand_logo_whole")),
        belongs("reseller_brand", "reseller_id", "reseller"),
        sa.PrimaryKeyConstraint("reseller_id", name="pk_reseller_brand"),
    )
    op.create_table(
        "reseller_tenant",
        *numbered("reseller_tenant"),
        sa.Column("reseller_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("payer", sa.String(length=20), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("until", TIME, nullable=True),
        sa.CheckConstraint("until IS NULL OR until >= since", name=op.f("ck_reseller_tenant_ends_after_it_began")),
        belongs("reseller_tenant", "reseller_id", "reseller"),
        belongs("reseller_tenant", "tenant_id", "tenant"),
    )
    op.create_index("ix_reseller_tenant_reseller_id", "reseller_tenant", ["reseller_id"])
    op.create_index("ix_reseller_tenant_tenant_id", "reseller_tenant", ["tenant_id", "since"])
    op.create_index("uq_reseller_tenant_now", "reseller_tenant", ["tenant_id"], unique=True, postgresql_where=sa.text("until IS NULL"))
    op.create_table(
        "tenant_transfer",
        *numbered("tenant_transfer"),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("giving_id", sa.Uuid(), nullable=True),
        sa.Column("taking_id", sa.Uuid(), nullable=True),
        sa.Column("payer", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("asked_by", sa.String(length=120), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("consents", JSONB(none_as_null=True), nullable=False),
        sa.Column("closed_at", TIME, nullable=True),
        sa.CheckConstraint("giving_id IS DISTINCT FROM taking_id", name=op.f("ck_tenant_transfer_goes_somewhere")),
        sa.CheckConstraint("(state = 'requested') = (closed_at IS NULL)", name=op.f("ck_tenant_transfer_closed_when_over")),
        sa.CheckConstraint("state IN ('requested', 'done') OR reason IS NOT NULL", name=op.f("ck_tenant_transfer_not_done_has_reason")),
        belongs("tenant_transfer", "tenant_id", "tenant"),
        belongs("tenant_transfer", "giving_id", "reseller"),
        belongs("tenant_transfer", "taking_id", "reseller"),
    )
    op.create_index("ix_tenant_transfer_tenant_id", "tenant_transfer", ["tenant_id"])
    op.create_index("ix_tenant_transfer_giving_id", "tenant_transfer", ["giving_id"])
    op.create_index("ix_tenant_transfer_taking_id", "tenant_transfer", ["taking_id"])
    op.create_index(
        "uq_tenant_transfer_open", "tenant_transfer", ["tenant_id"], unique=True, postgresql_where=sa.text("state = 'requested'")
    )
    op.create_table(
        "commission_entry",
        *numbered("commission_entry"),
        sa.Column("reseller_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("terms_id", sa.Uuid(), nullable=True),
        sa.Column("invoice", sa.String(length=80), nullable=False),
        sa.Column("invoice_number", sa.String(length=80), nullable=True),
        sa.Column("invoiced_at", TIME, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("gross", MONEY, nullable=False),
        sa.Column("base", MONEY, nullable=False),
        sa.Column("percent", sa.Numeric(5, 2), nullable=False),
        sa.Column("amount", MONEY, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.CheckConstraint("amount <> 0 OR base <> 0 OR gross <> 0", name=op.f("ck_commission_entry_says_something")),
        belongs("commission_entry", "reseller_id", "reseller"),
        belongs("commission_entry", "tenant_id", "tenant"),
        belongs("commission_entry", "terms_id", "reseller_terms"),
    )
    op.create_index("ix_commission_entry_invoice", "commission_entry", ["invoice"])
    op.create_index("ix_commission_entry_statement", "commission_entry", ["reseller_id", "at"])
    op.create_table(
        "commission_statement",
        *numbered("commission_statement"),
        sa.Column("reseller_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.Column("through", sa.BigInteger(), nullable=False),
        sa.Column("carried_in", MONEY, nullable=False),
        sa.Column("total", MONEY, nullable=False),
        sa.Column("payable", MONEY, nullable=False),
        sa.Column("carried_out", MONEY, nullable=False),
        sa.Column("issued_at", TIME, nullable=False),
        sa.Column("settled_at", TIME, nullable=True),
        sa.Column("settled_by", sa.String(length=120), nullable=True),
        sa.Column("reference", sa.String(length=200), nullable=True),
        sa.CheckConstraint("carried_in + total = payable + carried_out", name=op.f("ck_commission_statement_adds_up")),
        sa.CheckConstraint("payable >= 0 AND carried_in <= 0 AND carried_out <= 0", name=op.f("ck_commission_statement_owes_nothing_back")),
        sa.CheckConstraint("(settled_at IS NULL) = (reference IS NULL)", name=op.f("ck_commission_statement_settled_with_reference")),
        belongs("commission_statement", "reseller_id", "reseller"),
        sa.UniqueConstraint("reseller_id", "month", "currency", name="uq_commission_statement_reseller_id_month_currency"),
    )
    for table in IMMUTABLE:
        op.execute(f"CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()")
    op.execute("CREATE TRIGGER guard_state BEFORE UPDATE OF state ON tenant_transfer FOR EACH ROW EXECUTE FUNCTION guard_state()")


def downgrade() -> None:
    for table in (
        "commission_statement",
        "commission_entry",
        "tenant_transfer",
        "reseller_tenant",
        "reseller_brand",
        "reseller_price_book",
        "reseller_terms",
    ):
        op.drop_table(table)
    op.drop_constraint("uq_reseller_slug", "reseller")
    op.drop_column("reseller", "billing_email")
    op.drop_column("reseller", "slug")
