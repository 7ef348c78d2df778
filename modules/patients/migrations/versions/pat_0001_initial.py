"""Patients, and the function that searches them.

The function exists because of row-level security: text operators are not leakproof, so PostgreSQL evaluates the policy first and cannot
use the trigram index. It runs as the owner of the table, and filters by the clinic of the transaction itself: asking for another clinic,
or for none, finds nothing.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "pat_0001"
down_revision = "0001"
branch_labels = ("patients",)
depends_on = None

SEARCH_FUNCTION = """
CREATE FUNCTION patients_matching(clinic uuid, patterns text[]) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER ROWS 50
SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT id FROM public.patients
    WHERE clinic_id = clinic
      AND clinic_id = nullif(current_setting('app.clinic_id', true), '')::uuid
      AND search_text LIKE patterns[1]
      AND search_text LIKE ALL (patterns)
$$
"""

# Somebody else may use the extension too, or a database administrator may have put it there.
DROP_EXTENSION = """
DO $$ BEGIN
    DROP EXTENSION IF EXISTS pg_trgm;
EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL;
END $$
"""


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.create_table(
        "patients",
        sa.Column("id", postgresql.UUID(as_uuid=True), primary_key=True, server_default=sa.text("gen_random_uuid()")),
        sa.Column("clinic_id", postgresql.UUID(as_uuid=True), nullable=False),
        sa.Column("first_name", sa.String(100), nullable=False),
        sa.Column("last_name", sa.String(150), nullable=False),
        sa.Column("birth_date", sa.Date()),
        sa.Column("national_id", sa.String(40)),
        sa.Column("email", sa.String(254)),
        sa.Column("phone", sa.String(40)),
        sa.Column("address", postgresql.JSONB(), nullable=False, server_default="{}"),
        sa.Column("notes", sa.Text(), nullable=False, server_default=""),
        sa.Column("status", sa.String(20), nullable=False, server_default="active"),
        sa.Column("archived_at", sa.DateTime(timezone=True)),
        sa.Column("sort_name", sa.Text(), nullable=False),
        sa.Column("document_key", sa.Text()),
        sa.Column("phone_digits", sa.Text()),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinics.id"], name="fk_patients_clinic"),
        sa.UniqueConstraint("clinic_id", "id", name="uq_patients_clinic_id_id"),
        sa.CheckConstraint("status IN ('active', 'archived')", name="ck_patients_status"),
        sa.CheckConstraint("(status = 'archived') = (archived_at IS NOT NULL)", name="ck_patients_archived_at"),
    )
    op.create_index("ix_patients_list", "patients", ["clinic_id", "status", "sort_name", "id"])
    op.create_index("ix_patients_name", "patients", ["clinic_id", "sort_name", "id"])
    for name, column in (("document", "document_key"), ("email", "email"), ("phone", "phone_digits")):
        op.create_index(f"ix_patients_{name}", "patients", ["clinic_id", column], postgresql_where=sa.text(f"{column} IS NOT NULL"))
    op.create_index(
        "ix_patients_search", "patients", ["search_text"], postgresql_using="gin", postgresql_ops={"search_text": "gin_trgm_ops"}
    )
    op.execute(SEARCH_FUNCTION)


def downgrade() -> None:
    op.execute("DROP FUNCTION patients_matching(uuid, text[])")
    op.drop_table("patients")
    op.execute(DROP_EXTENSION)
