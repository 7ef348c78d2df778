"""What the guide's models, service and seed file need and its first migration lacks: see the README."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "inv_0002"
down_revision = "inv_0001"
branch_labels = None
depends_on = None

# The first migration allows NULL where the model says there is a value, and one code for several items.
BACKFILL = """
UPDATE inventory_items SET
    code = coalesce(code, 'ITEM-' || left(id::text, 8)),
    name = coalesce(name, code, 'Item ' || left(id::text, 8)),
    metadata_ = coalesce(metadata_, '{}'),
    created_at = coalesce(created_at, now()),
    updated_at = coalesce(updated_at, now())
"""
UNIQUE_CODES = """
UPDATE inventory_items AS item SET code = left(item.code, 41) || '-' || left(item.id::text, 8)
FROM (
    SELECT id, row_number() OVER (PARTITION BY clinic_id, code ORDER BY created_at, id) AS place
    FROM inventory_items
) AS numbered
WHERE numbered.id = item.id AND numbered.place > 1
"""
REQUIRED = ("code", "name", "metadata_", "created_at", "updated_at")


def _uuid(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, postgresql.UUID(as_uuid=True), nullable=nullable)


def _id() -> sa.Column:
    return sa.Column(
        "id",
        postgresql.UUID(as_uuid=True),
        primary_key=True,
        server_default=sa.text("gen_random_uuid()"),
    )


def _now(name: str) -> sa.Column:
    return sa.Column(
        name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
    )


def upgrade() -> None:
    op.create_table(
        "inventory_categories",
        _id(),
        _uuid("clinic_id"),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", sa.String(500), nullable=False, server_default=""),
        _now("created_at"),
        _now("updated_at"),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinics.id"], name="fk_inventory_categories_clinic_id"),
        sa.UniqueConstraint("clinic_id", "id", name="uq_inventory_categories_clinic_id_id"),
    )
    op.execute(BACKFILL)
    op.execute(UNIQUE_CODES)
    op.alter_column("inventory_items", "id", server_default=sa.text("gen_random_uuid()"))
    for column in REQUIRED:
        op.alter_column("inventory_items", column, nullable=False)
    op.add_column("inventory_items", _uuid("category_id", nullable=True))
    op.add_column(
        "inventory_items",
        sa.Column("per_appointment", sa.Numeric(12, 3), nullable=False, server_default="0"),
    )
    op.create_check_constraint(
        "ck_inventory_items_per_appointment", "inventory_items", "per_appointment >= 0"
    )
    op.create_unique_constraint(
        "uq_inventory_items_clinic_id_id", "inventory_items", ["clinic_id", "id"]
    )
    op.create_unique_constraint(
        "uq_inventory_items_clinic_id_code", "inventory_items", ["clinic_id", "code"]
    )
    op.create_foreign_key(
        "fk_inventory_items_clinic_id", "inventory_items", "clinics", ["clinic_id"], ["id"]
    )
    op.create_foreign_key(
        "fk_inventory_items_category",
        "inventory_items",
        "inventory_categories",
        ["clinic_id", "category_id"],
        ["clinic_id", "id"],
    )
    # The name SQLAlchemy gives the model's `index=True`.
    op.execute("ALTER INDEX ix_inventory_items_clinic RENAME TO ix_inventory_items_clinic_id")
    op.create_table(
        "inventory_stock_movements",
        _id(),
        _uuid("clinic_id"),
        _uuid("item_id"),
        sa.Column("quantity", sa.Numeric(12, 3), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        _uuid("appointment_id", nullable=True),
        _now("created_at"),
        sa.ForeignKeyConstraint(
            ["clinic_id"], ["clinics.id"], name="fk_inventory_stock_movements_clinic_id"
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "item_id"],
            ["inventory_items.clinic_id", "inventory_items.id"],
            name="fk_inventory_stock_movements_item",
        ),
        sa.UniqueConstraint(
            "clinic_id",
            "appointment_id",
            "item_id",
            name="uq_inventory_stock_movements_appointment",
        ),
        sa.CheckConstraint("quantity <> 0", name="ck_inventory_stock_movements_quantity"),
    )
    op.create_index(
        "ix_inventory_stock_movements_list",
        "inventory_stock_movements",
        ["clinic_id", "created_at", "id"],
    )
    op.create_index(
        "ix_inventory_stock_movements_item", "inventory_stock_movements", ["clinic_id", "item_id"]
    )


def downgrade() -> None:
    op.drop_table("inventory_stock_movements")
    op.execute("ALTER INDEX ix_inventory_items_clinic_id RENAME TO ix_inventory_items_clinic")
    op.drop_constraint("fk_inventory_items_category", "inventory_items", type_="foreignkey")
    op.drop_constraint("fk_inventory_items_clinic_id", "inventory_items", type_="foreignkey")
    op.drop_constraint("uq_inventory_items_clinic_id_code", "inventory_items", type_="unique")
    op.drop_constraint("uq_inventory_items_clinic_id_id", "inventory_items", type_="unique")
    op.drop_column("inventory_items", "per_appointment")
    op.drop_column("inventory_items", "category_id")
    for column in REQUIRED:
        op.alter_column("inventory_items", column, nullable=True)
    op.alter_column("inventory_items", "id", server_default=None)
    op.drop_table("inventory_categories")
