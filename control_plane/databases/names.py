"""Names come from the tenant's id: a slug may change hands."""

from uuid import UUID


def database_name(tenant_id: UUID) -> str:
    return f"tenant_{tenant_id.hex}"


def owner_role(tenant_id: UUID) -> str:
    return f"tenant_{tenant_id.hex}_owner"


def app_role(tenant_id: UUID) -> str:
    return f"tenant_{tenant_id.hex}_app"


def login(role: str, serial: int) -> str:
    """Who signs in as a role with the passwords of this serial: the role itself, and the one beside it, in turn."""
    return f"{role}_b" if serial % 2 else role


def beside(tenant_id: UUID, purpose: str) -> str:
    """A database loaded for a purpose: `next` is to take the tenant's place, `check` and `rehearsal` are dropped again."""
    return f"{database_name(tenant_id)}_{purpose}"
