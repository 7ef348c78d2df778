"""Maintenance windows; campaigns, their waves and members; pairs of releases known to break.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
GUARDED = ("campaign", "campaign_wave", "campaign_member")


def upgrade() -> None:
    op.create_table(
        "maintenance_window",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("start_time", sa.Time(), nullable=False),
        sa.Column("end_time", sa.Time(), nullable=False),
        sa.Column("days", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.CheckConstraint("cardinality(days) > 0 AND days <@ ARRAY[0,1,2,3,4,5,6]", name=op.f("ck_maintenance_window_days_of_the_week")),
        sa.CheckConstraint("start_time <> end_time", name=op.f("ck_maintenance_window_lasts")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_maintenance_window_tenant_id_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_maintenance_window"),
    )
    op.create_table(
        "campaign",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("change", sa.String(length=20), nullable=False),
        sa.Column("release_id", sa.String(length=80), nullable=True),
        sa.Column("strategy", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("state_since", TIME, nullable=False),
        sa.Column("deadline", TIME, nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("next_at", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.CheckConstraint("state <> 'halted' OR reason IS NOT NULL", name=op.f("ck_campaign_halted_has_reason")),
        sa.CheckConstraint("state <> 'running' OR deadline IS NOT NULL", name=op.f("ck_campaign_running_has_deadline")),
        sa.CheckConstraint("(change = 'release') = (release_id IS NOT NULL)", name=op.f("ck_campaign_release_names_one")),
        sa.ForeignKeyConstraint(["release_id"], ["release.id"], name="fk_campaign_release_id_release"),
        sa.PrimaryKeyConstraint("id", name="pk_campaign"),
        sa.UniqueConstraint("key", name="uq_campaign_key"),
        sa.UniqueConstraint("number", name="uq_campaign_number"),
    )
    op.create_index(
        "ix_campaign_due",
        "campaign",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('running', 'paused', 'halted', 'aborting')"),
    )
    op.create_table(
        "campaign_wave",
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("canary", sa.Boolean(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("parallel", sa.Integer(), nullable=False),
        sa.Column("approval", sa.Boolean(), nullable=False),
        sa.Column("soak_minutes", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("approved_at", TIME, nullable=True),
        sa.Column("approved_by", sa.String(length=120), nullable=True),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("soak_until", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="fk_campaign_wave_campaign_id_campaign"),
        sa.PrimaryKeyConstraint("campaign_id", "position", name="pk_campaign_wave"),
    )
    op.create_table(
        "campaign_member",
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("from_release", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("forgiven", sa.Boolean(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=True),
        sa.Column("next_at", TIME, nullable=False),
        sa.Column("waiting_since", TIME, nullable=True),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.CheckConstraint("wave IS NOT NULL OR state = 'skipped'", name=op.f("ck_campaign_member_in_a_wave_or_skipped")),
        sa.CheckConstraint(
            "state NOT IN ('waiting', 'failed', 'skipped') OR reason IS NOT NULL", name=op.f("ck_campaign_member_has_reason")
        ),
        sa.CheckConstraint(
            "state <> 'running' OR (operation_id IS NOT NULL AND started_at IS NOT NULL)",
            name=op.f("ck_campaign_member_running_has_operation"),
        ),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="fk_campaign_member_campaign_id_campaign"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_campaign_member_tenant_id_tenant"),
        sa.ForeignKeyConstraint(
            ["campaign_id", "wave"], ["campaign_wave.campaign_id", "campaign_wave.position"], name="fk_campaign_member_wave"
        ),
        sa.PrimaryKeyConstraint("campaign_id", "tenant_id", name="pk_campaign_member"),
    )
    op.create_index("ix_campaign_member_tenant_id", "campaign_member", ["tenant_id"], unique=False)
    op.create_index("ix_campaign_member_wave", "campaign_member", ["campaign_id", "wave", "state", "rank"], unique=False)
    op.create_table(
        "known_bad_pair",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("from_release", sa.String(length=80), nullable=False),
        sa.Column("to_release", sa.String(length=80), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("campaign_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("noted_at", TIME, nullable=False),
        sa.Column("noted_by", sa.String(length=120), nullable=False),
        sa.Column("lifted_at", TIME, nullable=True),
        sa.Column("lifted_by", sa.String(length=120), nullable=True),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="fk_known_bad_pair_campaign_id_campaign"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_known_bad_pair_tenant_id_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_known_bad_pair"),
    )
    op.create_index(
        "uq_known_bad_pair_in_force",
        "known_bad_pair",
        ["from_release", "to_release", sa.text("coalesce(tenant_id, '00000000-0000-0000-0000-000000000000'::uuid)")],
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    for table in GUARDED:
        op.execute(f"CREATE TRIGGER guard_state BEFORE UPDATE OF state ON {table} FOR EACH ROW EXECUTE FUNCTION guard_state()")


def downgrade() -> None:
    for table in ("known_bad_pair", "campaign_member", "campaign_wave", "campaign", "maintenance_window"):
        op.drop_table(table)
