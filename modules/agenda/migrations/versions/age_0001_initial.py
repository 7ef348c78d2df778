"""Cabinets, appointments, and the histories of status and cabinet."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "age_0001"
down_revision = "0001"
branch_labels = ("agenda",)
# The composite foreign key to patients (clinic_id, id).
depends_on = ("pat_0001",)

OCCUPIES = sa.text("status NOT IN ('cancelled', 'no_show')")

# Somebody else may use the extension too, or a database administrator may have put it there.
DROP_EXTENSION = """
DO $$ BEGIN
    DROP EXTENSION IF EXISTS btree_gist;
EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN NULL;
END $$
"""


def _uuid(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, postgresql.UUID(as_uuid=True), nullable=nullable)


def _id() -> sa.Column:
    return sa.Column("id", postgresql.UUID(as_uuid=True), primary_key=True, server_default=sa.text("gen_random_uuid()"))


def _now(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def _no_overlap(resource: str) -> postgresql.ExcludeConstraint:
    return postgresql.ExcludeConstraint(
        ("clinic_id", "="),
        (f"{resource}_id", "="),
        (sa.text("tstzrange(starts_at, ends_at, '[)')"), "&&"),
        where=OCCUPIES,
        using="gist",
        name=f"ex_appointments_{resource}",
    )


def upgrade() -> None:
    # Equality of UUIDs inside a GiST exclusion constraint.
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.create_table(
        "cabinets",
        _id(),
        _uuid("clinic_id"),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("status", sa.String(20), nullable=False, server_default="active"),
        _now("created_at"),
        _now("updated_at"),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinics.id"], name="fk_cabinets_clinic"),
        sa.UniqueConstraint("clinic_id", "id", name="uq_cabinets_clinic_id_id"),
        sa.UniqueConstraint("clinic_id", "name", name="uq_cabinets_clinic_id_name"),
        sa.CheckConstraint("status IN ('active', 'archived')", name="ck_cabinets_status"),
    )
    op.create_table(
        "appointments",
        _id(),
        _uuid("clinic_id"),
        _uuid("patient_id"),
        _uuid("professional_id"),
        _uuid("cabinet_id", nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(20), nullable=False, server_default="scheduled"),
        sa.Column("reason", sa.String(200), nullable=False, server_default=""),
        sa.Column("notes", sa.Text(), nullable=False, server_default=""),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        _uuid("created_by", nullable=True),
        _now("created_at"),
        _now("updated_at"),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinics.id"], name="fk_appointments_clinic"),
        sa.ForeignKeyConstraint(["clinic_id", "patient_id"], ["patients.clinic_id", "patients.id"], name="fk_appointments_patient"),
        sa.ForeignKeyConstraint(["professional_id"], ["users.id"], name="fk_appointments_professional"),
        sa.ForeignKeyConstraint(["clinic_id", "cabinet_id"], ["cabinets.clinic_id", "cabinets.id"], name="fk_appointments_cabinet"),
        sa.UniqueConstraint("clinic_id", "id", name="uq_appointments_clinic_id_id"),
        sa.CheckConstraint(
            "status IN ('scheduled', 'confirmed', 'checked_in', 'in_treatment', 'completed', 'cancelled', 'no_show')",
            name="ck_appointments_status",
        ),
        sa.CheckConstraint("ends_at > starts_at AND ends_at - starts_at <= interval '24 hours'", name="ck_appointments_period"),
        sa.CheckConstraint("status <> 'in_treatment' OR cabinet_id IS NOT NULL", name="ck_appointments_treated_in_a_cabinet"),
        _no_overlap("professional"),
        _no_overlap("cabinet"),
    )
    op.create_index("ix_appointments_calendar", "appointments", ["clinic_id", "starts_at", "id"])
    op.create_index("ix_appointments_patient", "appointments", ["clinic_id", "patient_id", "starts_at"])
    _create_history(
        "appointment_status_events",
        sa.Column("from_status", sa.String(20)),
        sa.Column("to_status", sa.String(20), nullable=False),
        sa.Column("note", sa.String(500), nullable=False, server_default=""),
    )
    _create_history("appointment_cabinet_events", _uuid("from_cabinet_id", nullable=True), _uuid("to_cabinet_id", nullable=True))


def _create_history(table: str, *columns: sa.Column) -> None:
    op.create_table(
        table,
        _id(),
        _uuid("clinic_id"),
        _uuid("appointment_id"),
        *columns,
        _uuid("changed_by", nullable=True),
        _now("changed_at"),
        sa.ForeignKeyConstraint(
            ["clinic_id", "appointment_id"], ["appointments.clinic_id", "appointments.id"], name=f"fk_{table}_appointment"
        ),
    )
    op.create_index(f"ix_{table}_appointment", table, ["clinic_id", "appointment_id", "changed_at"])


def downgrade() -> None:
    for table in ("appointment_cabinet_events", "appointment_status_events", "appointments", "cabinets"):
        op.drop_table(table)
    op.execute(DROP_EXTENSION)
