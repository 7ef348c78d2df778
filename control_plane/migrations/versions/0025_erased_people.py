"""Erasing a clinic takes its people out of what was stated to the law as well.

Revision ID: 0025
Revises: 0024
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# Statements are history: a correction closes what was believed. Who stated it, their note and the tax id go with the clinic's erasure.
CLOSE_ONLY = """
CREATE OR REPLACE FUNCTION close_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {blanking}
    IF TG_OP = 'DELETE' OR OLD.known_until IS NOT NULL OR to_jsonb(NEW) - 'known_until' <> to_jsonb(OLD) - 'known_until' THEN
        RAISE EXCEPTION 'rows of % are never changed or deleted, only closed', TG_TABLE_NAME USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""
BLANKING = """
    IF TG_OP = 'UPDATE' AND NEW.stated_by = 'erased' AND NEW.note IS NULL
        AND (NEW.value IS NOT DISTINCT FROM OLD.value OR NEW.name = 'tax_id' AND NEW.value IS NULL)
        AND to_jsonb(NEW) - 'stated_by' - 'note' - 'value' = to_jsonb(OLD) - 'stated_by' - 'note' - 'value'
    THEN
        RETURN NEW;
    END IF;
"""


def upgrade() -> None:
    op.execute(CLOSE_ONLY.format(blanking=BLANKING))


def downgrade() -> None:
    op.execute(CLOSE_ONLY.format(blanking=""))
