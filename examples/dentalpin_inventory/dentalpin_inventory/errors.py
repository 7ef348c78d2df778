"""What can go wrong with supplies, one type per case."""

from uuid import UUID

from app.core.errors import DomainError


class ItemNotFound(DomainError):
    status = 404
    code = "item_not_found"

    def __init__(self, item_id: UUID) -> None:
        super().__init__(f"There is no item {item_id} in this clinic. Choose one of its items.")


class CategoryNotFound(DomainError):
    status = 404
    code = "category_not_found"

    def __init__(self, category_id: UUID) -> None:
        super().__init__(f"There is no category {category_id} in this clinic. Choose one of its categories.")


class ItemCodeTaken(DomainError):
    status = 409
    code = "item_code_taken"

    def __init__(self, code: str) -> None:
        super().__init__(f"This clinic already has an item with the code {code}. Choose another code.")
