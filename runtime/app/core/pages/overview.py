"""What the home page shows: the clinic, its modules, and the areas this person's role may open."""

from dataclasses import dataclass
from uuid import UUID

from app.core.auth.errors import ClinicNotChosen, NoMembership, NotAMember
from app.core.auth.identity import ClinicRole, CurrentUser, Identity
from app.core.auth.permissions import permissions_for
from app.core.plugins.registry import ModuleRegistry


@dataclass(frozen=True, slots=True)
class ModuleCard:
    title: str
    summary: str
    version: str
    category: str
    areas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """`current` is None when a clinic has to be chosen first, or there is none."""

    user: CurrentUser
    memberships: tuple[ClinicRole, ...]
    current: ClinicRole | None
    modules: tuple[ModuleCard, ...]


def overview(identity: Identity, asked: UUID | None, registry: ModuleRegistry) -> Overview:
    try:
        current = identity.choose(asked)
    except (ClinicNotChosen, NoMembership, NotAMember):
        return Overview(identity.user, identity.memberships, None, ())
    permissions = permissions_for(current.grants, registry)
    areas: dict[str, list[str]] = {}
    for module, entry in registry.navigation(permissions):
        areas.setdefault(module, []).append(_readable(entry.label))
    cards = tuple(
        ModuleCard(
            title=each.manifest.title or _readable(each.name),
            summary=each.manifest.summary,
            version=each.manifest.version,
            category=each.manifest.category,
            areas=tuple(areas.get(each.name, ())),
        )
        for each in registry.active
    )
    return Overview(identity.user, identity.memberships, current, cards)


def _readable(key: str) -> str:
    """A label for people from an i18n key or a module's name; translations arrive with the modules' own pages."""
    return key.rpartition(".")[2].replace("_", " ").capitalize()
