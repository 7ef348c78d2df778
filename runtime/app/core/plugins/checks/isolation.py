"""Foreign keys, tables and imports go into `depends` and nowhere else (ADR 0001), checked on the real migrations and the real syntax."""

from collections.abc import Iterable, Iterator
from typing import Final

from app.core.plugins.loader import DiscoveredModule
from app.core.plugins.revisions import CORE

from .imports import Imported, imports, read_sources
from .issues import Issue, issue
from .recording import Recorded
from .surroundings import REFERABLE, Surroundings, final_tables, left_behind, tables_of

_CONTRACT: Final = ("app.core", "app.database")
_PRODUCT: Final = frozenset({"app", "control_plane", "dentalpin_kit"})


def isolation_issues(found: DiscoveredModule, surroundings: Surroundings) -> Iterator[Issue]:
    """Where a module reaches for what is not its own, nor that of its `depends`."""
    yield from _migration_issues(found, surroundings)
    yield from _model_issues(found, surroundings)
    yield from _import_issues(found, surroundings)


def _migration_issues(found: DiscoveredModule, surroundings: Surroundings) -> Iterator[Issue]:
    name = found.name
    if name in surroundings.book.errors:
        yield issue("MIGRATIONS_UNUSABLE", f"{name}: {surroundings.book.errors[name]}", name)
        return
    recorded = surroundings.recorded[name]
    own = tables_of(recorded)
    for revision in recorded:
        if revision.error is not None:
            text = (
                f"{name}: revision {revision.revision} does not run without a database ({revision.error}); "
                "its text was checked instead. Keep what needs rows in functions of PostgreSQL, or look at it yourself"
            )
            yield issue("MIGRATION_NOT_CHECKABLE", text, name)
        for target in sorted(revision.up.references):
            yield from _reference(found, surroundings, target, own, f"revision {revision.revision}")
        yield from _touching(found, surroundings, revision, own)
    behind = sorted(left_behind(recorded))
    if behind:
        text = f"{name}: downgrade() leaves {', '.join(behind)} behind; drop what upgrade() made"
        yield issue("DOWNGRADE_INCOMPLETE", text, name)


def _reference(found: DiscoveredModule, surroundings: Surroundings, target: str, own: set[str], where: str) -> Iterator[Issue]:
    name, owner = found.name, surroundings.tables.get(target)
    if target in own or owner in found.manifest.depends:
        return
    if owner is None:
        text = f"{name}: a foreign key of {where} points to {target}, which no migration of a known module makes; install its package"
        yield issue("FK_TARGET_UNKNOWN", text, name)
    elif owner == CORE and target not in REFERABLE:
        text = f"{name}: a foreign key of {where} points to {target} of the core; only {', '.join(sorted(REFERABLE))} may be referred to"
        yield issue("FK_TO_CORE_INTERNAL", text, name)
    elif owner != CORE:
        text = f"{name}: a foreign key of {where} points to {target} of {owner}; add {owner} to `depends`, or keep the id without a key"
        yield issue("FK_NOT_IN_DEPENDS", text, name)


def _touching(found: DiscoveredModule, surroundings: Surroundings, revision: Recorded, own: set[str]) -> Iterator[Issue]:
    name = found.name
    done = {
        "makes": revision.up.made,
        "changes": revision.up.changed | revision.down.changed,
        "drops": revision.up.dropped | revision.down.dropped,
    }
    for verb, tables in done.items():
        for table in sorted(tables):
            owner = surroundings.tables.get(table)
            if owner is not None and owner != name and (verb == "makes" or table not in own):
                whose = "the core" if owner == CORE else owner
                text = (
                    f"{name}: revision {revision.revision} {verb} {table} of {whose}; a module makes, changes and drops its own tables only"
                )
                yield issue("FOREIGN_TABLE_TOUCHED", text, name)
    for table in sorted(revision.up.read | revision.down.read):
        owner = surroundings.tables.get(table)
        if owner is not None and table not in own and owner not in {name, CORE, *found.manifest.depends}:
            text = f"{name}: revision {revision.revision} reads {table} of {owner}; add {owner} to `depends`"
            yield issue("FOREIGN_TABLE_READ", text, name)


def _model_issues(found: DiscoveredModule, surroundings: Surroundings) -> Iterator[Issue]:
    name = found.name
    recorded = surroundings.recorded.get(name, [])
    own, present = tables_of(recorded), final_tables(recorded)
    told = {target for revision in recorded for target in revision.up.references}
    for model in found.module.get_models():
        table = getattr(model, "__table__", None)
        if table is None:
            continue
        if found.versions_path is not None and name not in surroundings.book.errors and table.name not in present:
            text = f"{name}: no migration makes {table.name} of {model.__name__}; run `alembic revision --autogenerate` (guide §3)"
            yield issue("TABLE_NOT_MIGRATED", text, name)
        targets = {key.target_fullname.rpartition(".")[0].rpartition(".")[2] for key in table.foreign_keys}
        for target in sorted(targets - told - {table.name}):
            yield from _reference(found, surroundings, target, own | {table.name}, f"the model {model.__name__}")


def _import_issues(found: DiscoveredModule, surroundings: Surroundings) -> Iterator[Issue]:
    name = found.name
    sources, broken = read_sources(found.package_path, found.import_name)
    for file, reason in broken:
        yield issue("SOURCE_UNREADABLE", f"{name}: {file} does not parse ({reason})", name)
    told: set[tuple[str, str]] = set()
    for source in sources:
        for imported in imports(source):
            for found_issue in _import_issue(found, surroundings, imported):
                # `from a.b import c` is two names of one import.
                if (found_issue.code, f"{imported.file}:{imported.line}") not in told:
                    told.add((found_issue.code, f"{imported.file}:{imported.line}"))
                    yield found_issue


def _import_issue(found: DiscoveredModule, surroundings: Surroundings, imported: Imported) -> Iterable[Issue]:
    name, where = found.name, f"{imported.file}:{imported.line}"
    if imported.name is None:
        text = f"{name}: {where} imports a name put together at run time; name the module, so that its `depends` can be checked"
        return [issue("IMPORT_NOT_CHECKABLE", text, name)]
    root, _, rest = imported.name.partition(".")
    owner = surroundings.owner_of_import(imported.name)
    if owner is None and root == "app" and rest.startswith("modules."):
        owner = rest.split(".")[1]
    if owner is not None:
        if owner in {name, *found.manifest.depends}:
            return []
        text = f"{name}: {where} imports {imported.name} of {owner}; add {owner} to `depends`, or react to its events instead"
        return [issue("IMPORT_NOT_IN_DEPENDS", text, name)]
    if root not in _PRODUCT or imported.name in {"app", "app.modules"} or imported.name.startswith(_CONTRACT):
        return []
    text = f"{name}: {where} imports {imported.name}, which may change at any time; a module uses app.core and app.database"
    return [issue("IMPORT_NOT_OF_CONTRACT", text, name)]
