"""What operating modules needs beyond the first schema: switching off, who chose a module, rest between attempts, who asked for what."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _moment(name: str) -> "sa.Column[Any]":
    return sa.Column(name, sa.DateTime(timezone=True))


def upgrade() -> None:
    # Of what is here already nobody knows who asked for it: it counts as chosen, and is never proposed for removal.
    op.add_column("core_module", sa.Column("chosen", sa.Boolean, nullable=False, server_default=sa.true()))
    op.add_column("core_module", _moment("disabled_at"))
    op.add_column("core_module", _moment("next_attempt_at"))
    op.create_table(
        "core_module_request",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("operation", sa.String(20), nullable=False),
        sa.Column("modules", JSONB, nullable=False, server_default="[]"),
        # No foreign key: the trail outlives the account.
        sa.Column("user_id", sa.Uuid),
        sa.Column("via", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False, server_default=""),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.CheckConstraint("via IN ('api', 'cli')", name="ck_core_module_request_via"),
    )


def downgrade() -> None:
    op.drop_table("core_module_request")
    for column in ("next_attempt_at", "disabled_at", "chosen"):
        op.drop_column("core_module", column)
