"""Who may do what. The core grants its own permissions to the five standard roles here, modules grant theirs in their manifests (guide §7),
and a clinic grants and denies in the rows of its roles.

A module's permissions exist only while it is mounted: the registry merges manifests at look-up, so that a module that is gone takes its
grants along, and a new one needs no change here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, Self

ROLES: Final = ("admin", "dentist", "hygienist", "assistant", "receptionist")

ROLE_PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "admin": ("admin.*", "agents.*"),
    # Connecting an assistant of one's own: it has its person's rights, and the clinic switches assistants on first.
    "dentist": ("agents.use",),
    "hygienist": ("agents.use",),
    "assistant": ("agents.use",),
    "receptionist": ("agents.use",),
}
"""Core grants only."""

CORE_PERMISSIONS: Final = (
    "admin.audit.read",
    "admin.clinic.read",
    "admin.clinic.write",
    "admin.events.read",
    "admin.events.write",
    "admin.jobs.read",
    "admin.jobs.write",
    "admin.modules.read",
    "admin.modules.write",
    "admin.roles.read",
    "admin.roles.write",
    "admin.support.read",
    "admin.support.write",
    "admin.users.read",
    "admin.users.write",
    "agents.approvals.read",
    "agents.approvals.write",
    "agents.audit.read",
    "agents.read",
    "agents.use",
    "agents.write",
)


class ModuleGrants(Protocol):
    """What the registry of mounted modules knows about permissions."""

    def grants(self, role: str) -> frozenset[str]: ...

    def permissions(self) -> frozenset[str]: ...


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


@dataclass(frozen=True, slots=True)
class RoleGrants:
    """What the row of a role says: the standard role it builds on, and the patterns granted and denied besides."""

    based_on: str | None
    granted: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()

    @classmethod
    def standard(cls, name: str) -> Self:
        return cls(name)


def permissions_for(role: RoleGrants, modules: ModuleGrants) -> Permissions:
    """Everything a role may do in this process: the core's grants, those of the mounted modules, and the clinic's own; denials win.

    Patterns of a clinic (`agenda.*`) cover what exists: a module that is gone takes what it granted along.
    """
    core = ROLE_PERMISSIONS.get(role.based_on, ()) if role.based_on else ()
    wide = Permissions((*core, *role.granted))
    known = {*CORE_PERMISSIONS, *modules.permissions()}
    given = {name for name in known if name in wide}
    if role.based_on is not None:
        given |= modules.grants(role.based_on)
    if not role.denied:
        return Permissions({*core, *given})
    denied = Permissions(role.denied)
    # What a denial lies under is spelled out: a wildcard would cover the denied name again.
    kept = (pattern for pattern in core if not any(_overlap(pattern, refused) for refused in role.denied))
    return Permissions({*kept, *(name for name in given if name not in denied)})


def _overlap(one: str, other: str) -> bool:
    """Whether two patterns can cover the same name."""
    left, right = one.removesuffix("*"), other.removesuffix("*")
    return left.startswith(right) if other.endswith("*") and len(right) <= len(left) else one.endswith("*") and right.startswith(left)
