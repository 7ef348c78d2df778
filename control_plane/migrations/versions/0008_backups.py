"""Backups, their schedule and their checks; tenants that are copies.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "backup",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("release_id", sa.String(length=80), nullable=False),
        sa.Column("chosen", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("contents", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("database_bytes", sa.BigInteger(), nullable=True),
        sa.Column("database_sha256", sa.String(length=64), nullable=True),
        sa.Column("files_bytes", sa.BigInteger(), nullable=True),
        sa.Column("files_sha256", sa.String(length=64), nullable=True),
        sa.Column("keep_until", sa.Date(), nullable=True),
        sa.Column("keep_because", sa.String(), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("check_passed", sa.Boolean(), nullable=True),
        sa.CheckConstraint("state <> 'ready' OR (taken_at IS NOT NULL AND contents IS NOT NULL)", name="ck_backup_ready_has_contents"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_backup_tenant_id_tenant"),
        sa.ForeignKeyConstraint(["operation_id"], ["operation.id"], name="fk_backup_operation_id_operation"),
        sa.PrimaryKeyConstraint("id", name="pk_backup"),
    )
    op.create_index("ix_backup_tenant_id_requested_at", "backup", ["tenant_id", "requested_at", "id"])
    op.create_index("ix_backup_unfinished", "backup", ["state"], postgresql_where=sa.text("state IN ('making', 'deleting')"))
    op.create_index("ix_backup_ready", "backup", ["tenant_id", "taken_at"], postgresql_where=sa.text("state = 'ready'"))
    op.execute("CREATE TRIGGER guard_state BEFORE UPDATE OF state ON backup FOR EACH ROW EXECUTE FUNCTION guard_state()")
    op.create_table(
        "backup_schedule",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("every_hours", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("every_hours IN (1, 2, 3, 4, 6, 8, 12, 24)", name="ck_backup_schedule_divides_the_day"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_backup_schedule_tenant_id_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_backup_schedule"),
    )
    op.create_index("ix_backup_schedule_due_at", "backup_schedule", ["due_at"])
    op.create_table(
        "backup_check",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("backup_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("tables", sa.Integer(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["backup_id"], ["backup.id"], name="fk_backup_check_backup_id_backup"),
        sa.PrimaryKeyConstraint("id", name="pk_backup_check"),
    )
    op.create_index("ix_backup_check_at", "backup_check", ["at", "id"])
    op.add_column("tenant", sa.Column("copy_of", sa.Uuid(), nullable=True))
    op.add_column("tenant", sa.Column("copy_taken_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tenant", sa.Column("copy_until", sa.Date(), nullable=True))
    op.create_foreign_key("fk_tenant_copy_of_tenant", "tenant", "tenant", ["copy_of"], ["id"])
    op.create_check_constraint(
        "ck_tenant_copy_has_end", "tenant", "(copy_of IS NULL) = (copy_until IS NULL) AND (copy_of IS NULL) = (copy_taken_at IS NULL)"
    )
    op.create_index(
        "ix_tenant_copy_until", "tenant", ["copy_until"], postgresql_where=sa.text("copy_until IS NOT NULL AND state <> 'deleted'")
    )


def downgrade() -> None:
    op.drop_index("ix_tenant_copy_until", "tenant")
    op.drop_column("tenant", "copy_until")
    op.drop_column("tenant", "copy_taken_at")
    op.drop_column("tenant", "copy_of")
    for table in ("backup_check", "backup_schedule", "backup"):
        op.drop_table(table)
