import uuid
from datetime import datetime
from sqlalchemy import DateTime, ForeignKey, String, func
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.orm import Mapped, mapped_column
from app.database import Base

# From here to the end: what completes the guide's code. The README says why.
from decimal import Decimal
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Numeric, UniqueConstraint, text


class InventoryItem(Base):
    __tablename__ = "inventory_items"

    id: Mapped[uuid.UUID] = mapped_column(
        UUID(as_uuid=True), primary_key=True, default=uuid.uuid4
    )
    clinic_id: Mapped[uuid.UUID] = mapped_column(
        UUID(as_uuid=True),
        ForeignKey("clinics.id"),
        nullable=False,
        index=True,
    )
    code: Mapped[str] = mapped_column(String(50))
    name: Mapped[str] = mapped_column(String(200))
    metadata_: Mapped[dict] = mapped_column(JSONB, default=dict)
    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )


class InventoryCategory(Base):
    """The category the guide's seed file names; read and written by seeds only."""

    __tablename__ = "inventory_categories"
    __table_args__ = (
        UniqueConstraint("clinic_id", "id", name="uq_inventory_categories_clinic_id_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(
        UUID(as_uuid=True),
        primary_key=True,
        default=uuid.uuid4,
        server_default=text("gen_random_uuid()"),
    )
    clinic_id: Mapped[uuid.UUID] = mapped_column(
        UUID(as_uuid=True), ForeignKey("clinics.id"), nullable=False
    )
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(String(500), default="", server_default="")
    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )


# The class above is the guide's; what it lacks is added to it from outside.
InventoryItem.category_id = mapped_column(UUID(as_uuid=True), nullable=True)
InventoryItem.per_appointment = mapped_column(
    Numeric(12, 3), nullable=False, default=Decimal(0), server_default="0"
)
InventoryItem.__table__.append_constraint(
    UniqueConstraint("clinic_id", "id", name="uq_inventory_items_clinic_id_id")
)
InventoryItem.__table__.append_constraint(
    UniqueConstraint("clinic_id", "code", name="uq_inventory_items_clinic_id_code")
)
InventoryItem.__table__.append_constraint(
    ForeignKeyConstraint(
        ["clinic_id", "category_id"],
        ["inventory_categories.clinic_id", "inventory_categories.id"],
        name="fk_inventory_items_category",
    )
)
InventoryItem.__table__.append_constraint(
    CheckConstraint("per_appointment >= 0", name="ck_inventory_items_per_appointment")
)


class StockMovement(Base):
    """Goods coming in (positive) or used up (negative). What is in stock is the sum of an item's movements."""

    __tablename__ = "inventory_stock_movements"
    __table_args__ = (
        ForeignKeyConstraint(
            ["clinic_id", "item_id"],
            ["inventory_items.clinic_id", "inventory_items.id"],
            name="fk_inventory_stock_movements_item",
        ),
        # An appointment uses up each item once, however often the event is told.
        UniqueConstraint(
            "clinic_id",
            "appointment_id",
            "item_id",
            name="uq_inventory_stock_movements_appointment",
        ),
        CheckConstraint("quantity <> 0", name="ck_inventory_stock_movements_quantity"),
        Index("ix_inventory_stock_movements_list", "clinic_id", "created_at", "id"),
        Index("ix_inventory_stock_movements_item", "clinic_id", "item_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(
        UUID(as_uuid=True),
        primary_key=True,
        default=uuid.uuid4,
        server_default=text("gen_random_uuid()"),
    )
    clinic_id: Mapped[uuid.UUID] = mapped_column(
        UUID(as_uuid=True), ForeignKey("clinics.id"), nullable=False
    )
    item_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True))
    quantity: Mapped[Decimal] = mapped_column(Numeric(12, 3))
    reason: Mapped[str] = mapped_column(String(40))
    # No foreign key: the two modules know each other by events only.
    appointment_id: Mapped[uuid.UUID | None] = mapped_column(UUID(as_uuid=True))
    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
