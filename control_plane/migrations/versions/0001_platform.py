"""The platform's first tables: tenants, releases, revisions, operations, access, answers, audit.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The rows of state_transition come from the state tables in the code (control_plane.migrations.migrate).
GUARD_STATES = """
CREATE FUNCTION guard_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state IS DISTINCT FROM OLD.state AND NOT EXISTS (
        SELECT 1 FROM state_transition WHERE machine = TG_TABLE_NAME AND source = OLD.state AND target = NEW.state
    ) THEN
        RAISE EXCEPTION '% may not go from % to %', TG_TABLE_NAME, OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""
REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$
"""
# Workers and event streams listen; a notification is sent when the writing transaction commits.
NOTIFY_OPERATION = """
CREATE FUNCTION notify_operation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'operation' THEN
        PERFORM pg_notify('platform_operation', NEW.id::text);
    ELSE
        PERFORM pg_notify('platform_operation', NEW.operation_id::text);
    END IF;
    RETURN NULL;
END $$
"""
TRIGGERS = (
    "CREATE TRIGGER guard_state BEFORE UPDATE OF state ON tenant FOR EACH ROW EXECUTE FUNCTION guard_state()",
    "CREATE TRIGGER guard_state BEFORE UPDATE OF state ON operation FOR EACH ROW EXECUTE FUNCTION guard_state()",
    "CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON revision FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER notify AFTER INSERT OR UPDATE ON operation FOR EACH ROW EXECUTE FUNCTION notify_operation()",
    "CREATE TRIGGER notify AFTER INSERT OR UPDATE ON operation_step FOR EACH ROW EXECUTE FUNCTION notify_operation()",
)


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("release_described_seq")))
    op.create_table(
        "state_transition",
        sa.Column("machine", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("target", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("machine", "source", "target", name="pk_state_transition"),
    )
    op.create_table(
        "audit_entry",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit_entry"),
    )
    op.create_index("ix_audit_entry_tenant_id", "audit_entry", ["tenant_id"], unique=False)
    op.create_table(
        "idempotent_answer",
        sa.Column("scope", sa.String(length=120), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=80), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("media_type", sa.String(length=80), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name="pk_idempotent_answer"),
    )
    op.create_index("ix_idempotent_answer_created_at", "idempotent_answer", ["created_at"], unique=False)
    op.create_table(
        "observation",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=True),
        sa.Column("identity", sa.String(length=80), nullable=True),
        sa.Column("effect", sa.String(length=80), nullable=True),
        sa.Column("attestation", postgresql.JSONB(), nullable=True),
        sa.Column("attested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_observation"),
    )
    op.create_table(
        "operator_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("prefix", sa.String(length=20), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_operator_key"),
        sa.UniqueConstraint("digest", name="uq_operator_key_digest"),
        sa.UniqueConstraint("prefix", name="uq_operator_key_prefix"),
    )
    op.create_table(
        "release",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("core_version", sa.String(length=40), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("described", sa.BigInteger(), server_default=sa.text("nextval('release_described_seq')"), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_release"),
        sa.UniqueConstraint("described", name="uq_release_described"),
    )
    op.create_table(
        "tenant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("territory", sa.String(length=20), nullable=True),
        sa.Column("legal_form", sa.String(length=60), nullable=True),
        sa.Column("tax_id", sa.String(length=40), nullable=True),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("owner_email", sa.String(length=254), nullable=False),
        sa.Column("chosen", postgresql.JSONB(), nullable=False),
        sa.Column("pinned_release", sa.String(length=80), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("state_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state_deadline", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state_reason", sa.String(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("invitation_serial", sa.Integer(), nullable=False),
        sa.Column("final_dump", sa.String(), nullable=True),
        sa.Column("final_dump_until", sa.Date(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state NOT IN ('changing', 'deleting', 'provisioning') OR state_deadline IS NOT NULL", name="ck_tenant_under_way_has_deadline"
        ),
        sa.CheckConstraint(
            "state NOT IN ('failed', 'degraded', 'delete_failed') OR state_reason IS NOT NULL", name="ck_tenant_stuck_has_reason"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_tenant"),
    )
    op.create_index("uq_tenant_slug", "tenant", ["slug"], unique=True, postgresql_where=sa.text("state <> 'deleted'"))
    op.create_table(
        "operation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("error_code", sa.String(length=80), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replaced_by", sa.Uuid(), nullable=True),
        sa.Column("result", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state <> 'failed' OR reason IS NOT NULL", name="ck_operation_failed_has_reason"),
        sa.CheckConstraint("state <> 'waiting' OR reason IS NOT NULL", name="ck_operation_waiting_has_reason"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_operation_tenant_id_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_operation"),
        sa.UniqueConstraint("number", name="uq_operation_number"),
    )
    op.create_index(
        "ix_operation_open",
        "operation",
        ["tenant_id", "number"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running', 'waiting')"),
    )
    op.create_index("ix_operation_tenant_id_number", "operation", ["tenant_id", "number"], unique=False)
    op.create_table(
        "revision",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("release_id", sa.String(length=80), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("identity", sa.String(length=80), nullable=False),
        sa.Column("effect", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.ForeignKeyConstraint(["release_id"], ["release.id"], name="fk_revision_release_id_release"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_revision_tenant_id_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_revision"),
        sa.UniqueConstraint("tenant_id", "generation", name="uq_revision_tenant_id_generation"),
    )
    op.create_table(
        "tenant_lease",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reconcile_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_tenant_lease_tenant_id_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_tenant_lease"),
    )
    op.create_table(
        "operation_step",
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["operation_id"], ["operation.id"], name="fk_operation_step_operation_id_operation", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("operation_id", "position", name="pk_operation_step"),
    )
    for statement in (GUARD_STATES, REFUSE_CHANGE, NOTIFY_OPERATION, *TRIGGERS):
        op.execute(statement)


def downgrade() -> None:
    for table in (
        "operation_step",
        "tenant_lease",
        "revision",
        "operation",
        "tenant",
        "release",
        "operator_key",
        "observation",
        "idempotent_answer",
        "audit_entry",
        "state_transition",
    ):
        op.drop_table(table)
    for function in ("guard_state", "refuse_change", "notify_operation"):
        op.execute(f"DROP FUNCTION {function}()")
    op.execute(sa.schema.DropSequence(sa.Sequence("release_described_seq")))
