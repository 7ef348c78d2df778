"""Every migration this process knows, by owner: what is applied, what one owner still has to run, and in which order.

The owner of a revision is decided by the folder its file lies in, never by a label or a count: label-relative targets walk into the core
and into other modules' branches. A module whose package is gone, older or broken is represented by what the books remember of it, so that
Alembic's own bookkeeping stays right and the others go on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from alembic.script import Script, ScriptDirectory
from alembic.script.revision import Revision

from .errors import MigrationRefused
from .manifest_validator import RevisionFacts
from .topology import cycles

CORE: Final = "core"
CORE_MIGRATIONS: Final = Path(__file__).parents[2] / "migrations"
ANCHOR: Final = "0001"
TRANSACTIONS: Final = ("module", "own", "none")


@dataclass(frozen=True)
class OwnedRevision:
    """One revision with its owner. Without a script it is known from the books only and cannot be run."""

    revision: str
    owner: str
    down: tuple[str, ...]
    depends: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    whole_branches: tuple[str, ...] = ()
    """Owners whose newest revision is meant by `depends_on = ("catalog@head",)`."""
    transaction: str = "module"
    """`module`: together with seeds, hook and finalize. `own`: committed by itself. `none`: outside any transaction."""
    script: Script | None = field(default=None, compare=False, repr=False)

    @property
    def parents(self) -> tuple[str, ...]:
        return self.down + self.depends

    @property
    def facts(self) -> RevisionFacts:
        return RevisionFacts(self.revision, self.owner, self.down, self.depends, self.labels)

    def remembered(self) -> dict[str, Any]:
        """As the books keep it."""
        return {"revision": self.revision, "down": list(self.down), "depends": list(self.depends), "labels": list(self.labels)}


class _Scripts(ScriptDirectory):
    """The environment Alembic is given: exactly the revisions of a book."""

    def __init__(self, nodes: Sequence[Revision]) -> None:
        super().__init__(str(CORE_MIGRATIONS), version_locations=[str(CORE_MIGRATIONS / "versions")])
        self._nodes = nodes

    def _load_revisions(self) -> Iterator[Any]:
        yield from self._nodes


class RevisionBook:
    """All revisions by id. Build it with `read_book`; parse the folders once per boot."""

    def __init__(self, revisions: Mapping[str, OwnedRevision], errors: Mapping[str, MigrationRefused]) -> None:
        self.revisions = dict(revisions)
        self.errors = dict(errors)
        """Owners whose files cannot be used, and why."""
        self.scripts = _Scripts([_node(revision) for revision in self.revisions.values()])

    def with_unknown_heads(self, heads: Iterable[str]) -> "RevisionBook":
        """The same book, with heads nobody remembers taken for branches off the core's anchor: they are left alone."""
        unknown = {head: OwnedRevision(head, "", (ANCHOR,)) for head in heads if head not in self.revisions}
        return RevisionBook({**self.revisions, **unknown}, self.errors) if unknown else self

    def of(self, owner: str) -> list[OwnedRevision]:
        """An owner's revisions, each after those it builds on."""
        own = {name: revision for name, revision in self.revisions.items() if revision.owner == owner}
        ordered: list[OwnedRevision] = []
        placed: set[str] = set()
        while len(ordered) < len(own):
            ready = [own[name] for name in sorted(own.keys() - placed) if not (set(own[name].parents) & own.keys()) - placed]
            if not ready:
                raise MigrationRefused(f"The revisions of {owner} build on each other in a circle; correct their down_revision.")
            ordered += ready
            placed |= {revision.revision for revision in ready}
        return ordered

    def heads(self, owner: str) -> tuple[str, ...]:
        """The owner's newest revisions; usually one."""
        own = self.of(owner)
        below = {parent for revision in own for parent in revision.down}
        return tuple(revision.revision for revision in own if revision.revision not in below)

    def applied(self, heads: Iterable[str]) -> frozenset[str]:
        """Everything the rows of `alembic_version` imply."""
        found: set[str] = set()
        queue = list(heads)
        while queue:
            name = queue.pop()
            if name not in found:
                found.add(name)
                queue += self.revisions[name].parents if name in self.revisions else ()
        return frozenset(found)

    def upgrade_plan(self, owner: str, applied: frozenset[str]) -> tuple[OwnedRevision, ...]:
        """The owner's revisions that are not applied, in order. Raises MigrationRefused if one needs something that is not there."""
        self._usable(owner)
        plan = tuple(revision for revision in self.of(owner) if revision.revision not in applied and revision.script is not None)
        planned = {revision.revision for revision in plan}
        for revision in plan:
            for parent in revision.parents:
                if parent not in applied and parent not in planned:
                    other = self.revisions[parent].owner if parent in self.revisions else "nobody"
                    raise MigrationRefused(
                        f"Revision {revision.revision} of {owner} needs {parent} of {other}, which is not applied. "
                        f"Add {other} to `depends` of {owner}, or install it first."
                    )
            for other in revision.whole_branches:
                missing = [behind.revision for behind in self.of(other) if behind.script is not None and behind.revision not in applied]
                if missing:
                    raise MigrationRefused(
                        f"Revision {revision.revision} of {owner} needs all of {other}; {', '.join(missing)} is not applied."
                    )
        return plan

    def downgrade_plan(self, owner: str, applied: frozenset[str], *, down_to: frozenset[str] = frozenset()) -> tuple[OwnedRevision, ...]:
        """The owner's applied revisions, newest first, but for those in `down_to`.

        Raises MigrationRefused if somebody else's applied revision builds on one of them, or the file of one is not there.
        """
        plan = tuple(revision for revision in reversed(self.of(owner)) if revision.revision in applied - down_to)
        for revision in plan:
            if revision.script is None:
                reason = self.errors.get(owner) or f"its file is not in the installed package of {owner}"
                raise MigrationRefused(f"Revision {revision.revision} cannot be taken back: {reason}. Install the package that has it.")
        leaving = {revision.revision for revision in plan}
        for name in sorted(applied - leaving):
            standing = self.revisions.get(name)
            if standing is not None and standing.owner != owner and leaving & set(standing.parents):
                raise MigrationRefused(
                    f"Revision {name} of {standing.owner or 'an unknown module'} builds on revisions of {owner}. Uninstall it first."
                )
        return plan

    def _usable(self, owner: str) -> None:
        if owner in self.errors:
            raise self.errors[owner]


def read_book(folders: Mapping[str, Path], remembered: Mapping[str, Sequence[Mapping[str, Any]]]) -> RevisionBook:
    """Read the core's folder and `folders` (module → versions folder); fill what is missing from `remembered`, the books' memory.

    A folder that cannot be read puts its owner into `errors` and nobody else.
    """
    errors: dict[str, MigrationRefused] = {}
    loader = ScriptDirectory(str(CORE_MIGRATIONS), version_locations=[])
    found: dict[str, list[Script]] = {CORE: _load(loader, CORE_MIGRATIONS / "versions")}
    for owner, folder in folders.items():
        try:
            found[owner] = _load(loader, folder)
        except Exception as error:
            # A stranger's file may raise anything while it is imported; it must not take the others with it.
            errors[owner] = MigrationRefused(
                f"The migrations of {owner} cannot be read ({type(error).__name__}: {error}); correct the file."
            )
    known_owner = {str(entry["revision"]): owner for owner, entries in remembered.items() for entry in entries}
    errors.update(_twice(found, known_owner))
    # Leaving an owner out may leave another without what it builds on, so this is repeated until nothing changes.
    while True:
        usable = {owner: scripts for owner, scripts in found.items() if owner not in errors}
        revisions = {revision.revision: revision for revision in _owned(usable)}
        for owner, entries in remembered.items():
            for entry in entries:
                revisions.setdefault(str(entry["revision"]), _from_memory(owner, entry))
        broken = _dangling(revisions, usable) or _circular(revisions)
        if not broken:
            return RevisionBook(revisions, errors)
        errors.update(broken)


def _load(directory: ScriptDirectory, folder: Path) -> list[Script]:
    loaded = (Script._from_path(directory, path) for path in sorted(folder.resolve().glob("*.py")) if path.name != "__init__.py")
    return [script for script in loaded if script is not None]


def _twice(found: Mapping[str, Sequence[Script]], known_owner: Mapping[str, str]) -> dict[str, MigrationRefused]:
    claims: dict[str, list[str]] = {}
    for owner, scripts in found.items():
        for script in scripts:
            claims.setdefault(script.revision, []).append(owner)
    errors: dict[str, MigrationRefused] = {}
    for revision, owners in claims.items():
        if len(owners) > 1:
            rightful = CORE if CORE in owners else known_owner.get(revision)
            for owner in set(owners) - {rightful}:
                others = ", ".join(other for other in owners if other != owner) or "the same module"
                errors[owner] = MigrationRefused(f"Revision {revision} of {owner} exists in {others} too; give it an id of its own.")
    return errors


def _owned(found: Mapping[str, Sequence[Script]]) -> Iterator[OwnedRevision]:
    bases = _bases(found)
    for owner, scripts in found.items():
        for script in scripts:
            raw = _names(script.dependencies)
            transaction = getattr(script.module, "transaction", "module")
            yield OwnedRevision(
                revision=script.revision,
                owner=owner,
                down=_names(script.down_revision),
                depends=tuple(translate_dependency(name, bases) for name in raw),
                labels=tuple(sorted(script._orig_branch_labels)),
                whole_branches=tuple(
                    name.split("@")[0] for name in raw if name.endswith(("@head", "@heads")) and name.split("@")[0] in found
                ),
                transaction=transaction,
                script=script,
            )


def _bases(found: Mapping[str, Sequence[Script]]) -> dict[str, str]:
    bases: dict[str, str] = {}
    for scripts in found.values():
        for script in scripts:
            for label in script._orig_branch_labels:
                bases.setdefault(label, script.revision)
    return bases


def translate_dependency(name: str, bases: Mapping[str, str]) -> str:
    """`catalog@head` (guide §12), which Alembic answers with KeyError, as the branch's first revision; other names as they are.

    The first, not the newest: a later revision of catalog would otherwise count as applied in every database where this one is.
    That catalog runs first, and completely, follows from the order of the modules.
    """
    label, separator, target = name.partition("@")
    if separator and target not in {"head", "heads"}:
        return target
    return bases.get(label, label)


def _dangling(revisions: Mapping[str, OwnedRevision], usable: Mapping[str, Sequence[Script]]) -> dict[str, MigrationRefused]:
    errors: dict[str, MigrationRefused] = {}
    for revision in revisions.values():
        for parent in revision.parents:
            if parent not in revisions and revision.owner in usable and revision.script is not None:
                errors[revision.owner] = MigrationRefused(
                    f"Revision {revision.revision} of {revision.owner} builds on {parent}, which no installed package has."
                )
        if revision.transaction not in TRANSACTIONS:
            errors[revision.owner] = MigrationRefused(
                f"Revision {revision.revision} of {revision.owner} says transaction = {revision.transaction!r}; "
                f"known are {', '.join(TRANSACTIONS)}."
            )
    return errors


def _circular(revisions: Mapping[str, OwnedRevision]) -> dict[str, MigrationRefused]:
    return {
        revisions[name].owner: MigrationRefused(
            f"The revisions {', '.join(circle)} build on each other in a circle; correct their down_revision or depends_on."
        )
        for circle in cycles({name: revision.parents for name, revision in revisions.items()})
        for name in circle
    }


def _from_memory(owner: str, entry: Mapping[str, Any]) -> OwnedRevision:
    return OwnedRevision(
        str(entry["revision"]), owner, tuple(entry.get("down", ())), tuple(entry.get("depends", ())), tuple(entry.get("labels", ()))
    )


def _node(revision: OwnedRevision) -> Revision:
    if revision.script is not None:
        revision.script.dependencies = revision.depends or None
        return revision.script
    return Revision(revision.revision, revision.down or None, revision.depends or None, revision.labels or None)


def _names(value: str | Sequence[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
