"""What the module says about itself holds: manifest, package, migrations, models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.testing.operations import ModuleOperations

from .subject import Subject

if TYPE_CHECKING:
    from sqlalchemy import Connection


def test_the_manifest_and_the_package_have_no_errors(subject: Subject) -> None:
    from app.core.plugins.loader import core_version, discover_modules
    from app.core.plugins.manifest_validator import Severity, validate_module, validate_set

    issues = validate_module(subject.found, core_version=core_version())
    issues += validate_set({found.name: found.manifest for found in discover_modules()})
    errors = [issue for issue in issues if issue.severity is Severity.ERROR and issue.module in ("", subject.name)]

    assert [f"{issue.code} {issue.message}" for issue in errors] == []


def test_the_migrations_are_a_branch_of_their_own(subject: Subject) -> None:
    """Only such a branch can be walked down without reaching another module (guide §3)."""
    from app.core.plugins.loader import discover_modules
    from app.core.plugins.manifest_validator import validate_set

    assert subject.book.errors.get(subject.name) is None
    manifests = {found.name: found.manifest for found in discover_modules()}
    issues = validate_set(manifests, [revision.facts for revision in subject.book.revisions.values()])

    assert [f"{issue.code} {issue.message}" for issue in issues if issue.module == subject.name] == []


async def test_the_database_has_what_the_models_say(subject: Subject, operations: ModuleOperations) -> None:
    """Columns, types, indexes and constraints; defaults of the database are the migrations' own business."""
    from app.database import Base

    models = {str(model.__tablename__) for model in subject.module.get_models()}
    own = set(await subject.tables(operations))
    assert models <= own, f"get_models() has tables no migration makes: {sorted(models - own)}"

    differences: list[Any] = []
    await operations.as_owner(lambda connection: differences.extend(_compare(connection, own & Base.metadata.tables.keys())))

    assert differences == []


async def test_the_doctor_finds_no_error_where_it_is_installed(subject: Subject, populated: object, operations: ModuleOperations) -> None:
    """`dentalpin modules doctor`, as the guide asks before a release (§13)."""
    from app.core.plugins.manifest_validator import Severity

    errors = [each for each in await operations.doctor() if each.severity is Severity.ERROR and each.module == subject.name]

    assert [f"{each.code} {each.message}" for each in errors] == []


def _compare(connection: Connection, tables: set[str]) -> list[Any]:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    from app.database import Base

    def included(thing: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
        table = name if kind == "table" else getattr(getattr(thing, "table", None), "name", None)
        return table in tables

    context = MigrationContext.configure(connection, opts={"include_object": included})
    return list(compare_metadata(context, Base.metadata))
