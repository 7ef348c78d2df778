"""What a module is judged among: every module that is installed beside it, their tables, packages, permissions and events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from app.core.auth.permissions import CORE_PERMISSIONS
from app.core.plugins.errors import ManifestInvalid
from app.core.plugins.loader import DiscoveredModule, Discovery
from app.core.plugins.manifest import namespaced
from app.core.plugins.revisions import CORE, RevisionBook, read_book

from .recording import Recorded, record_all

REFERABLE: Final = frozenset({"clinics", "users", "memberships"})
"""Tables of the core that a module's foreign keys may point to; the others belong to the core alone."""


@dataclass(frozen=True)
class Surroundings:
    """Everything installed here, the module in question among it."""

    discovery: Discovery
    core_version: str

    @cached_property
    def modules(self) -> Mapping[str, DiscoveredModule]:
        """Those that can be loaded."""
        return {found.name: found for found in self.discovery if _loads(found)}

    @cached_property
    def book(self) -> RevisionBook:
        folders = {found.name: found.versions_path for found in self.modules.values() if found.versions_path is not None}
        return read_book(folders, {})

    @cached_property
    def recorded(self) -> Mapping[str, list[Recorded]]:
        """What each owner's migrations do, the core's included."""
        owners = {CORE, *self.modules}
        return {owner: record_all(self.book.of(owner)) for owner in owners}

    @cached_property
    def tables(self) -> Mapping[str, str]:
        """{table: owner} for every table any migration makes, under each of its names. A module cannot take a name from the core."""
        owners: dict[str, str] = {}
        for owner in sorted(self.recorded, key=lambda name: (name != CORE, name)):
            for table in tables_of(self.recorded[owner]):
                owners.setdefault(table, owner)
        return owners

    @cached_property
    def packages(self) -> Mapping[str, str]:
        """{import name: module}."""
        return {found.import_name: found.name for found in self.modules.values()}

    def owner_of_import(self, name: str) -> str | None:
        """The module a dotted name belongs to, by the longest package that begins it."""
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            owner = self.packages.get(".".join(parts[:length]))
            if owner is not None:
                return owner
        return None

    def permissions(self, modules: Iterable[str]) -> frozenset[str]:
        """The full names of what these modules declare, and of the core's own permissions."""
        found = {
            namespaced(name, local) for name in modules if name in self.modules for local in self.modules[name].module.get_permissions()
        }
        return frozenset(found | set(CORE_PERMISSIONS))


def tables_of(recorded: Iterable[Recorded]) -> set[str]:
    """Every name under which an owner's revisions ever had a table."""
    names: set[str] = set()
    for revision in recorded:
        names |= revision.up.made | {new for old, new in revision.up.renamed.items() if old in names}
    return names


def final_tables(recorded: Iterable[Recorded]) -> set[str]:
    """The tables an owner has once all its revisions ran."""
    present: set[str] = set()
    for revision in recorded:
        present = _after(present, revision, up=True)
    return present


def left_behind(recorded: Iterable[Recorded]) -> set[str]:
    """The tables that are there still when every revision was taken back."""
    revisions = list(recorded)
    present = final_tables(revisions)
    for revision in reversed(revisions):
        present = _after(present, revision, up=False)
    return present


def _after(present: set[str], revision: Recorded, *, up: bool) -> set[str]:
    done = revision.up if up else revision.down
    names = (present | done.made) - done.dropped
    return {done.renamed.get(name, name) for name in names}


def _loads(found: DiscoveredModule) -> bool:
    try:
        return bool(found.manifest.name)
    except ManifestInvalid:
        return False
