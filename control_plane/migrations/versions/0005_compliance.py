"""Facts over time, packs as rows, database servers by region.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Statements are history: a correction closes what was believed, and nothing else is ever changed.
CLOSE_ONLY = """
CREATE FUNCTION close_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.known_until IS NOT NULL OR to_jsonb(NEW) - 'known_until' <> to_jsonb(OLD) - 'known_until' THEN
        RAISE EXCEPTION 'rows of % are never changed or deleted, only closed', TG_TABLE_NAME USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""
ONE_TRUTH = """
ALTER TABLE fact_statement ADD CONSTRAINT ex_fact_statement_one_truth EXCLUDE USING gist (
    tenant_id WITH =, clinic WITH =, name WITH =,
    daterange(valid_from, valid_until) WITH &&, tstzrange(known_from, known_until) WITH &&
)
"""
# What tenants stated before there was a history of it: known since they came, valid as far back as anybody asks.
FIRST_STATEMENTS = """
INSERT INTO fact_statement (id, tenant_id, clinic, name, value, known_from, stated_by)
SELECT gen_random_uuid(), tenant.id, '', said.name, said.value, tenant.created_at, 'platform:migration'
FROM tenant, LATERAL (
    SELECT * FROM jsonb_each(facts)
    UNION ALL SELECT 'country', to_jsonb(country)
    UNION ALL SELECT 'territory', to_jsonb(territory) WHERE territory IS NOT NULL
    UNION ALL SELECT 'legal_form', to_jsonb(legal_form) WHERE legal_form IS NOT NULL
    UNION ALL SELECT 'tax_id', to_jsonb(tax_id) WHERE tax_id IS NOT NULL
) AS said (name, value)
"""


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.create_table(
        "database_server",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("region", sa.String(length=40), nullable=False),
        sa.Column("proofs", postgresql.JSONB(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("accepting", sa.Boolean(), nullable=False),
        sa.Column("host", sa.String(length=253), nullable=True),
        sa.Column("sealed_url", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("capacity > 0", name="ck_database_server_holds_some"),
        sa.PrimaryKeyConstraint("name", name="pk_database_server"),
    )
    op.add_column("tenant", sa.Column("region", sa.String(length=40), nullable=True))
    op.add_column("tenant", sa.Column("database_server", sa.String(length=40), nullable=True))
    op.add_column("tenant", sa.Column("law_edition", sa.Integer(), nullable=True))
    op.add_column("tenant", sa.Column("law_due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tenant", sa.Column("law_problem", sa.String(), nullable=True))
    op.add_column("tenant", sa.Column("law_problem_code", sa.String(length=80), nullable=True))
    op.create_foreign_key("fk_tenant_database_server_database_server", "tenant", "database_server", ["database_server"], ["name"])
    living = sa.text("state <> 'deleted'")
    op.create_index("ix_tenant_law_due", "tenant", ["law_due_at"], unique=False, postgresql_where=living)
    op.create_index("ix_tenant_database_server", "tenant", ["database_server"], unique=False, postgresql_where=living)
    op.create_table(
        "fact_statement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("clinic", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("value", postgresql.JSONB(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("known_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("known_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stated_by", sa.String(length=120), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.CheckConstraint("valid_until > valid_from", name="ck_fact_statement_holds_some_day"),
        sa.CheckConstraint("known_until >= known_from", name="ck_fact_statement_known_forwards"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_fact_statement_tenant_id_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_fact_statement"),
        sa.UniqueConstraint("number", name="uq_fact_statement_number"),
    )
    op.create_index("ix_fact_statement_tenant_id", "fact_statement", ["tenant_id", "number"], unique=False)
    op.create_table(
        "pack_version",
        sa.Column("jurisdiction", sa.String(length=6), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("origin", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("jurisdiction", "digest", name="pk_pack_version"),
    )
    op.create_table(
        "pack_edition",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("versions", postgresql.JSONB(), nullable=False),
        sa.Column("changed", postgresql.JSONB(), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("effect", postgresql.JSONB(), nullable=True),
        sa.Column("campaign_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_by", sa.String(length=120), nullable=True),
        sa.CheckConstraint("(state = 'published') = (number IS NOT NULL)", name="ck_pack_edition_published_has_number"),
        sa.PrimaryKeyConstraint("id", name="pk_pack_edition"),
        sa.UniqueConstraint("number", name="uq_pack_edition_number"),
    )
    for statement in (
        ONE_TRUTH,
        FIRST_STATEMENTS,
        CLOSE_ONLY,
        "CREATE TRIGGER close_only BEFORE UPDATE OR DELETE ON fact_statement FOR EACH ROW EXECUTE FUNCTION close_only()",
        "CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON pack_version FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "CREATE TRIGGER guard_state BEFORE UPDATE OF state ON pack_edition FOR EACH ROW EXECUTE FUNCTION guard_state()",
    ):
        op.execute(statement)


def downgrade() -> None:
    for table in ("pack_edition", "pack_version", "fact_statement"):
        op.drop_table(table)
    op.execute("DROP FUNCTION close_only()")
    for column in ("law_problem_code", "law_problem", "law_due_at", "law_edition", "database_server", "region"):
        op.drop_column("tenant", column)
    op.drop_table("database_server")
