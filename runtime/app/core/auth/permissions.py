"""Who may do what. Roles are fixed; the core grants its own permissions here and modules grant theirs in their manifests (guide §7).

A module's permissions exist only while it is mounted: the registry merges manifests at look-up, so that a module that is gone takes its
grants along, and a new one needs no change here.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

ROLES: Final = ("admin", "dentist", "hygienist", "assistant", "receptionist")

ROLE_PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "admin": ("admin.*", "agents.*"),
    "dentist": (),
    "hygienist": (),
    "assistant": (),
    "receptionist": (),
}
"""Core grants only."""

CORE_PERMISSIONS: Final = (
    "admin.clinic.read",
    "admin.clinic.write",
    "admin.modules.read",
    "admin.modules.write",
    "admin.users.read",
    "admin.users.write",
)


class ModuleGrants(Protocol):
    """What the registry of mounted modules knows about permissions."""

    def grants(self, role: str) -> frozenset[str]: ...


class Permissions(frozenset[str]):
    """The permissions somebody has. A wildcard in the set (`admin.*`) covers every name below it."""

    __slots__ = ()

    def __contains__(self, permission: object) -> bool:
        if super().__contains__(permission):
            return True
        parts = str(permission).split(".")
        return super().__contains__("*") or any(
            super(Permissions, self).__contains__(f"{'.'.join(parts[:i])}.*") for i in range(1, len(parts))
        )


def permissions_of(role: str, modules: ModuleGrants) -> Permissions:
    """Everything a role may do in this process: the core's grants and those of the mounted modules."""
    core: Iterable[str] = ROLE_PERMISSIONS.get(role, ())
    wildcards = Permissions(core)
    return Permissions({*core, *(name for name in CORE_PERMISSIONS if name in wildcards), *modules.grants(role)})
