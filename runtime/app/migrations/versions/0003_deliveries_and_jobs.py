"""Deliveries that can be seen and repeated, and jobs with their runs."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _moment(name: str, *, nullable: bool = True) -> "sa.Column[Any]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=None if nullable else sa.text("now()"))


def upgrade() -> None:
    # What a person decided about a delivery that nobody could make.
    op.add_column("core_event_delivery", sa.Column("decision", sa.String(20)))
    op.add_column("core_event_delivery", sa.Column("decided_by", sa.Uuid))
    op.add_column("core_event_delivery", _moment("decided_at"))
    op.create_check_constraint("ck_core_event_delivery_decision", "core_event_delivery", "decision IN ('replayed', 'discarded')")
    op.create_index("ix_core_event_delivery_dead", "core_event_delivery", ["id"], postgresql_where=sa.text("status = 'dead'"))
    op.create_table(
        "core_job",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("module_name", sa.String(80), nullable=False),
        sa.Column("job_id", sa.String(120), nullable=False),
        # NULL: once for the whole tenant.
        sa.Column("clinic_id", sa.Uuid),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("trigger", sa.String(400), nullable=False),
        sa.Column("definition", sa.String(64), nullable=False),
        # NULL: never again by itself.
        _moment("next_run_at"),
        _moment("last_run_at"),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("paused", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("requested_by", sa.Uuid),
        _moment("created_at", nullable=False),
        sa.UniqueConstraint("module_name", "job_id", "clinic_id", name="uq_core_job_job_clinic", postgresql_nulls_not_distinct=True),
    )
    op.create_index("ix_core_job_due", "core_job", ["next_run_at"], postgresql_where=sa.text("NOT paused"))
    op.create_table(
        "core_job_run",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        # No foreign key: what a module's jobs did is kept for a while when the module goes.
        sa.Column("job", sa.BigInteger, nullable=False),
        sa.Column("module_name", sa.String(80), nullable=False),
        sa.Column("job_id", sa.String(120), nullable=False),
        sa.Column("clinic_id", sa.Uuid),
        sa.Column("status", sa.String(20), nullable=False, server_default="running"),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("scheduled_for", sa.DateTime(timezone=True), nullable=False),
        _moment("started_at", nullable=False),
        _moment("finished_at"),
        sa.Column("requested_by", sa.Uuid),
        sa.Column("process", sa.String(80), nullable=False),
        sa.Column("error", sa.Text),
        sa.CheckConstraint("status IN ('running', 'done', 'failed', 'lost')", name="ck_core_job_run_status"),
    )
    op.create_index("ix_core_job_run_job", "core_job_run", ["job", "id"])
    op.create_index("ix_core_job_run_started", "core_job_run", ["started_at"])


def downgrade() -> None:
    op.drop_table("core_job_run")
    op.drop_table("core_job")
    op.drop_index("ix_core_event_delivery_dead", table_name="core_event_delivery")
    op.drop_constraint("ck_core_event_delivery_decision", "core_event_delivery")
    for column in ("decided_at", "decided_by", "decision"):
        op.drop_column("core_event_delivery", column)
