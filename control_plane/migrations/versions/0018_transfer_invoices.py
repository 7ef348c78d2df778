"""Invoices for bank transfers keep who sent them, where to pay and the tax's percentage; payers are reminded once.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("manual_invoice", sa.Column("tax_percent", sa.Numeric(precision=5, scale=2), nullable=True))
    op.add_column("manual_invoice", sa.Column("issuer", sa.String(), nullable=True))
    op.add_column("manual_invoice", sa.Column("pay_to", sa.String(), nullable=True))
    op.add_column("billed_invoice", sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("billed_invoice", "reminded_at")
    op.drop_column("manual_invoice", "pay_to")
    op.drop_column("manual_invoice", "issuer")
    op.drop_column("manual_invoice", "tax_percent")
