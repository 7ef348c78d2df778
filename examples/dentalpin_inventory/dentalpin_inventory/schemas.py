from pydantic import BaseModel, ConfigDict
from uuid import UUID


class InventoryItemCreate(BaseModel):
    code: str
    name: str


class InventoryItemResponse(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: UUID
    code: str
    name: str


# From here to the end: what completes the guide's code. The README says why.
from datetime import datetime  # noqa: E402 (the printed imports stay as they are)
from decimal import Decimal  # noqa: E402 (the same)
from typing import Annotated  # noqa: E402 (the same)
from pydantic import AfterValidator, Field, StringConstraints  # noqa: E402 (the same)


def _without_nul(value: str) -> str:
    """PostgreSQL keeps no NUL character in a text."""
    if "\x00" in value:
        raise ValueError("the text contains a NUL character")
    return value


PlainText = AfterValidator(_without_nul)
# As many digits as the columns hold.
Quantity = Annotated[Decimal, Field(max_digits=12, decimal_places=3)]


class NewInventoryItem(InventoryItemCreate):
    """The guide's body, with the limits of the table's columns."""

    model_config = ConfigDict(extra="forbid")
    code: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50), PlainText
    ]
    name: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), PlainText
    ]
    category_id: UUID | None = None
    per_appointment: Annotated[Quantity, Field(ge=0)] = Decimal(0)


class Restock(BaseModel):
    """Goods that came in."""

    model_config = ConfigDict(extra="forbid")
    quantity: Annotated[Quantity, Field(gt=0)]


class StockMovementResponse(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: UUID
    item_id: UUID
    quantity: Decimal
    reason: str
    appointment_id: UUID | None
    created_at: datetime
