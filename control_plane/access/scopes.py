"""What a caller may do, as data: scopes, and the roles that hold them.

A route names the scope it needs (`requires.Requires`); a key holds a part of its account's scopes. `…:read` shows, `…:write` changes.
`billing` is what one tenant pays, `payments` what only the platform's operators do: tariffs, what arrived, what is given back.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

AREAS: Final = (
    "tenants",
    "operations",
    "releases",
    "compliance",
    "campaigns",
    "backups",
    "exports",
    "billing",
    "payments",
    "databases",
    "resellers",
    "demos",
    "clusters",
    "access",
    "audit",
    "support",
    "webhooks",
    "mails",
    "metrics",
    "vault",
)
READ: Final = frozenset(f"{area}:read" for area in AREAS)
WRITE: Final = frozenset(f"{area}:write" for area in AREAS)
SPECIAL: Final = frozenset({"tenants:delete", "tenants:grant", "backups:restore", "support:ask"})
"""Writing that takes data away, puts older data in its place, lets others in, or asks a clinic to be let in."""
ALL: Final = READ | WRITE | SPECIAL


class Kind(StrEnum):
    """What sort of account somebody has. Operators see every tenant; owners and resellers those that were granted to them."""

    OPERATOR = "operator"
    OWNER = "owner"
    RESELLER = "reseller"


class Role(StrEnum):
    ADMIN = "admin"
    SUPPORT = "support"
    READ_ONLY = "read_only"
    OWNER = "owner"
    STAFF = "staff"


_CUSTOMER: Final = frozenset(
    {"tenants:read", "tenants:write", "operations:read", "releases:read", "compliance:read", "backups:read", "exports:read", "audit:read"}
    | {"billing:read"}
)

ROLES: Final[Mapping[tuple[Kind, Role], frozenset[str]]] = {
    (Kind.OPERATOR, Role.ADMIN): ALL,
    (Kind.OPERATOR, Role.SUPPORT): READ | {"operations:write", "support:ask", "support:write", "mails:write"},
    (Kind.OPERATOR, Role.READ_ONLY): READ,
    (Kind.OWNER, Role.OWNER): _CUSTOMER
    | {"tenants:delete", "tenants:grant", "backups:write", "backups:restore", "exports:write", "support:read", "support:write"}
    | {"billing:write"},
    (Kind.RESELLER, Role.ADMIN): _CUSTOMER
    | {"backups:write", "support:read", "billing:write", "resellers:read", "resellers:write"}
    | {"demos:read", "demos:write"},
    (Kind.RESELLER, Role.STAFF): (_CUSTOMER - {"tenants:write", "audit:read"}) | {"resellers:read", "demos:read"},
}
"""Every kind of account with its roles, and what each may. The table in docs/reference/platform-authorisation.md is made from it."""
