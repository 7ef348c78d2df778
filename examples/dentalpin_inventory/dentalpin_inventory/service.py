from uuid import UUID
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from .models import InventoryItem

# The rest of the imports, and what follows the guide's function, complete the guide's code. The README says why.
from decimal import Decimal
from sqlalchemy import literal
from sqlalchemy.dialects.postgresql import insert
from app.core.events import event_bus
from .errors import CategoryNotFound, ItemCodeTaken, ItemNotFound
from .models import InventoryCategory, StockMovement
from .schemas import NewInventoryItem


async def list_items(
    db: AsyncSession, clinic_id: UUID, page: int, page_size: int
) -> tuple[list[InventoryItem], int]:
    query = select(InventoryItem).where(InventoryItem.clinic_id == clinic_id)
    total = (await db.execute(
        select(func.count()).select_from(query.subquery())
    )).scalar_one()
    items = (await db.execute(
        query.offset((page - 1) * page_size).limit(page_size)
    )).scalars().all()
    return list(items), total


async def create_item(db: AsyncSession, clinic_id: UUID, given: NewInventoryItem) -> InventoryItem:
    """Raises ItemCodeTaken, CategoryNotFound (for another clinic's category too)."""
    if given.category_id is not None:
        category = select(InventoryCategory.id).where(
            InventoryCategory.clinic_id == clinic_id, InventoryCategory.id == given.category_id
        )
        if (await db.execute(category)).scalar_one_or_none() is None:
            raise CategoryNotFound(given.category_id)
    # The constraint decides, so that two requests with one code cannot both win.
    statement = (
        insert(InventoryItem)
        .values(clinic_id=clinic_id, metadata_={}, **given.model_dump())
        .on_conflict_do_nothing(constraint="uq_inventory_items_clinic_id_code")
        .returning(InventoryItem)
    )
    item = (await db.execute(statement)).scalar_one_or_none()
    if item is None:
        raise ItemCodeTaken(given.code)
    return item


async def restock_item(
    db: AsyncSession, clinic_id: UUID, item_id: UUID, quantity: Decimal
) -> StockMovement:
    """Raises ItemNotFound, for another clinic's item too."""
    item = select(InventoryItem.id).where(
        InventoryItem.clinic_id == clinic_id, InventoryItem.id == item_id
    )
    if (await db.execute(item)).scalar_one_or_none() is None:
        raise ItemNotFound(item_id)
    statement = (
        insert(StockMovement)
        .values(clinic_id=clinic_id, item_id=item_id, quantity=quantity, reason="restocked")
        .returning(StockMovement)
    )
    movement = (await db.execute(statement)).scalar_one()
    event_bus.publish("inventory.restocked", {
        "clinic_id": str(clinic_id),
        "item_id": str(item_id),
        "qty": str(quantity),
    })
    return movement


async def consume_for_appointment(db: AsyncSession, clinic_id: UUID, appointment_id: UUID) -> None:
    """Take from stock what a completed appointment uses up; told twice, it takes it once.

    Treatments come with a later module; until then each item says how many of it an appointment uses.
    """
    used = select(
        InventoryItem.clinic_id,
        InventoryItem.id,
        -InventoryItem.per_appointment,
        literal("appointment_completed"),
        literal(appointment_id),
    ).where(InventoryItem.clinic_id == clinic_id, InventoryItem.per_appointment > 0)
    columns = ["clinic_id", "item_id", "quantity", "reason", "appointment_id"]
    await db.execute(
        insert(StockMovement).from_select(columns, used).on_conflict_do_nothing(
            constraint="uq_inventory_stock_movements_appointment"
        )
    )


async def list_movements(
    db: AsyncSession, clinic_id: UUID, page: int, page_size: int
) -> tuple[list[StockMovement], int]:
    """One page, the latest first, and how many there are in all."""
    query = select(StockMovement).where(StockMovement.clinic_id == clinic_id)
    total = (await db.execute(select(func.count()).select_from(query.subquery()))).scalar_one()
    latest = query.order_by(StockMovement.created_at.desc(), StockMovement.id)
    rows = await db.execute(latest.offset((page - 1) * page_size).limit(page_size))
    return list(rows.scalars()), total
