"""Names come from the tenant's id: a slug may change hands."""

from uuid import UUID


def database_name(tenant_id: UUID) -> str:
    return f"tenant_{tenant_id.hex}"


def owner_role(tenant_id: UUID) -> str:
    return f"tenant_{tenant_id.hex}_owner"


def app_role(tenant_id: UUID) -> str:
    return f"tenant_{tenant_id.hex}_app"
