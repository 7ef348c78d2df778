"""Bodies and answers of `/api/v1/roles`."""

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from app.core.auth.models import Role
from app.core.auth.permissions import ROLES, ModuleGrants, RoleGrants, permissions_for

RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
Pattern = Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9_]*\.)+([a-z][a-z0-9_]*|\*)$", max_length=120)]
Patterns = Annotated[list[Pattern], Field(max_length=200)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)]


class RoleIn(BaseModel):
    """A role of the clinic's own: what `based_on` has, plus `granted`, minus `denied`."""

    name: RoleName
    title: Title = ""
    based_on: RoleName | None = None
    granted: Patterns = []
    denied: Patterns = []


class RoleChange(BaseModel):
    """What is left out stays as it is."""

    title: Title | None = None
    granted: Patterns | None = None
    denied: Patterns | None = None


class RoleOut(BaseModel):
    name: str
    title: str
    standard: bool
    based_on: str | None
    granted: list[str]
    denied: list[str]
    people: int
    """How many of the clinic's people have it."""
    permissions: list[str]
    """What it comes to, with the modules installed."""

    @classmethod
    def of(cls, role: Role, people: int, modules: ModuleGrants) -> "RoleOut":
        return cls(
            name=role.name,
            title=role.title,
            standard=role.name in ROLES,
            based_on=role.based_on,
            granted=list(role.granted),
            denied=list(role.denied),
            people=people,
            permissions=sorted(permissions_for(grants_of(role), modules)),
        )


class PermissionOut(BaseModel):
    name: str
    module: str | None
    """The module it belongs to; null for the core's."""


def grants_of(role: Role) -> RoleGrants:
    return RoleGrants(role.based_on, tuple(role.granted), tuple(role.denied))
