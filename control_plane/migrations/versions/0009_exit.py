"""Exports, erasure receipts, the protection against deletion and why a last copy is kept.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)

# What names people in a revision; control_plane.exit.erasing calls it, and the trigger lets exactly its result through.
BLANK_REVISION = """
CREATE FUNCTION blank_revision(document jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_set(jsonb_set(jsonb_set(jsonb_set(document,
        '{owner,email}', '"erased@invalid"'), '{tenant,name}', '"(erased)"'), '{clinic,name}', '"(erased)"'), '{clinic,tax_id}', 'null')
$$
"""
REFUSE_REVISION_CHANGE = """
CREATE FUNCTION refuse_revision_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.document = blank_revision(OLD.document) AND NEW.created_by IN (OLD.created_by, 'erased')
        AND to_jsonb(NEW) - 'document' - 'created_by' = to_jsonb(OLD) - 'document' - 'created_by'
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'rows of revision are never changed or deleted' USING ERRCODE = 'check_violation';
END $$
"""
IMMUTABLE = "CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON revision FOR EACH ROW EXECUTE FUNCTION {}()"


def upgrade() -> None:
    op.add_column("tenant", sa.Column("deletion_protected", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("tenant", sa.Column("final_dump_reason", sa.String(), nullable=True))
    op.create_table(
        "tenant_export",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("format", sa.String(length=20), nullable=False),
        sa.Column("object_key", sa.String(length=200), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.Column("kept_until", sa.Date(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("downloaded_at", TIME, nullable=True),
        sa.Column("removed_at", TIME, nullable=True),
        sa.CheckConstraint("kind = 'final' OR kept_until IS NOT NULL", name=op.f("ck_tenant_export_an_owner_s_copy_ends")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_tenant_export_tenant_id_tenant"),
        sa.ForeignKeyConstraint(["operation_id"], ["operation.id"], name="fk_tenant_export_operation_id_operation"),
        sa.PrimaryKeyConstraint("id", name="pk_tenant_export"),
        sa.UniqueConstraint("number", name="uq_tenant_export_number"),
    )
    op.create_index("ix_tenant_export_tenant_id", "tenant_export", ["tenant_id"])
    op.create_index("uq_tenant_export_operation_id", "tenant_export", ["operation_id"], unique=True)
    op.create_index("ix_tenant_export_due", "tenant_export", ["kept_until"], postgresql_where=sa.text("removed_at IS NULL"))
    op.create_table(
        "export_link",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("export_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["export_id"], ["tenant_export.id"], name="fk_export_link_export_id_tenant_export"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_export_link"),
    )
    op.create_index("ix_export_link_export_id", "export_link", ["export_id"])
    op.create_table(
        "erasure",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("handed_over", sa.Boolean(), nullable=False),
        sa.Column("requested_at", TIME, nullable=False),
        sa.Column("requested_by", sa.String(length=120), nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_erasure_tenant_id_tenant"),
        sa.ForeignKeyConstraint(["operation_id"], ["operation.id"], name="fk_erasure_operation_id_operation"),
        sa.PrimaryKeyConstraint("id", name="pk_erasure"),
        sa.UniqueConstraint("number", name="uq_erasure_number"),
    )
    op.create_index("ix_erasure_tenant_id", "erasure", ["tenant_id"])
    op.create_index("uq_erasure_operation_id", "erasure", ["operation_id"], unique=True)
    op.create_table(
        "erasure_receipt",
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("system", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("law", sa.String(), nullable=True),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.CheckConstraint("status <> 'kept' OR law IS NOT NULL", name=op.f("ck_erasure_receipt_kept_names_the_law")),
        sa.CheckConstraint("status <> 'expires' OR until IS NOT NULL", name=op.f("ck_erasure_receipt_expires_has_a_day")),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasure.id"], name="fk_erasure_receipt_erasure_id_erasure"),
        sa.PrimaryKeyConstraint("erasure_id", "system", name="pk_erasure_receipt"),
    )
    op.create_index(
        "ix_erasure_receipt_due", "erasure_receipt", ["until"], postgresql_where=sa.text("status = 'kept' AND until IS NOT NULL")
    )

    for statement in (
        BLANK_REVISION,
        REFUSE_REVISION_CHANGE,
        "DROP TRIGGER immutable ON revision",
        IMMUTABLE.format("refuse_revision_change"),
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER immutable ON revision")
    op.execute(IMMUTABLE.format("refuse_change"))
    op.execute("DROP FUNCTION refuse_revision_change()")
    op.execute("DROP FUNCTION blank_revision(jsonb)")
    for table in ("erasure_receipt", "erasure", "export_link", "tenant_export"):
        op.drop_table(table)
    op.drop_column("tenant", "final_dump_reason")
    op.drop_column("tenant", "deletion_protected")
