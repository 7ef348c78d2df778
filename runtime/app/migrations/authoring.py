"""The `alembic` command for authors: autogenerate for one module at a time, and no downgrade that reaches into another's branch.

Guide §3 prints the commands. `alembic downgrade inventory@base` walks down the core as well, and with it every module; `@-N` does so when
the package has more revisions than the database. Both are refused here before anything runs.
"""

import importlib
import importlib.util
import logging
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext, MigrationInfo, RevisionStep
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData

import app.core
from app.config import Settings
from app.core.isolation import CORE_EXEMPT, RequestRoleUnknown, apply_policies
from app.core.plugins import migrations
from app.core.plugins.errors import ManifestInvalid
from app.core.plugins.loader import discover_modules
from app.core.plugins.ownership import Ownership, recorded_owners
from app.core.plugins.revisions import CORE
from app.core.plugins.topology import ordered
from app.database import Base, sqlalchemy_url
from app.migrations.locations import owner_of, version_folders

logger = logging.getLogger(__name__)


def database_url(given: Mapping[str, str]) -> str:
    """The database to work on, for SQLAlchemy. Raises CommandError if none is named."""
    settings = Settings()
    secret = settings.owner_database_url or settings.database_url
    url = given.get("url") or (secret.get_secret_value() if secret else None)
    if url is None:
        raise CommandError("No database: set OWNER_DATABASE_URL, or add -x url=postgresql://owner:password@host/database")
    return sqlalchemy_url(url)


class Authoring:
    """One run of the command."""

    def __init__(self, config: Config) -> None:
        self._folders = version_folders()
        self._version_path = getattr(config.cmd_opts, "version_path", None)
        self._generating = self._version_path is not None or bool(getattr(config.cmd_opts, "autogenerate", False))
        self._tables: dict[str, set[str]] = {}
        self._touched: set[str] = set()
        self._before: set[str] = set()
        if self._generating:
            self._import_models()

    @property
    def metadata(self) -> MetaData:
        return Base.metadata

    def options(self, connection: Connection) -> dict[str, Any]:
        """What `context.configure` is given beside the connection."""
        self._before = set(migrations.catalogue(connection))
        wanted = self._wanted_tables(connection) if self._generating else set()
        self._end_transaction(connection)

        def include_name(name: str | None, kind: str, parents: Any) -> bool:
            return kind != "table" or name in wanted

        def include_object(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
            return kind != "table" or name in wanted

        return {
            "target_metadata": self.metadata,
            "compare_type": True,
            "include_name": include_name,
            "include_object": include_object,
            "process_revision_directives": _splice,
            "on_version_apply": self._applied(connection),
        }

    def guard(self, context: MigrationContext) -> None:
        """Look at the steps before the first one runs. Raises CommandError from `run_migrations`."""
        plan: Callable[..., Iterable[Any]] | None = context._migrations_fn
        assert plan is not None

        def guarded(heads: Any, migration_context: MigrationContext) -> list[Any]:
            steps = list(plan(heads, migration_context))
            own = [step for step in steps if isinstance(step, RevisionStep)]
            asked = str(migration_context.opts.get("destination_rev") or "").partition("@")[0]
            self._refuse_foreign_downgrade(asked, [step for step in own if step.is_downgrade])
            return self._dependencies_first(own) if own and len(own) == len(steps) and own[0].is_upgrade else steps

        context._migrations_fn = guarded

    def isolate(self, connection: Connection) -> None:
        """Give what was migrated the policies and grants the processor would give it."""
        if not self._touched:
            return
        tables = [table for table, owner in recorded_owners(connection).items() if owner in self._touched]
        try:
            apply_policies(connection, [*tables, *(CORE_EXEMPT if CORE in self._touched else ())])
        except RequestRoleUnknown as error:
            logger.warning("row-level security was not set: %s", error)

    def _refuse_foreign_downgrade(self, asked: str, steps: Sequence[RevisionStep]) -> None:
        owners = list(dict.fromkeys(owner_of(step.revision, self._folders) for step in steps))
        if len(owners) > 1:
            meant = asked if asked in owners else owners[0]
            count = sum(owner_of(step.revision, self._folders) == meant for step in steps)
            raise CommandError(
                f"This downgrade would take back revisions of {', '.join(owners)}; only one module's may go at once. Nothing was changed. "
                f"Say `alembic downgrade {meant}@-N` with N at most {count}, or let `dentalpin modules uninstall {meant}` do it."
            )

    def _dependencies_first(self, steps: list[RevisionStep]) -> list[Any]:
        """A branch another needs as a whole (`depends_on = ("catalog@head",)`) runs before it."""
        owners = {step.revision.revision: owner_of(step.revision, self._folders) for step in steps}
        needs: dict[str, set[str]] = {owner: {CORE} - {owner} for owner in owners.values()}
        whole = False
        for step in steps:
            own = owners[step.revision.revision]
            needs[own] |= {owners[parent] for parent in step.revision._all_down_revisions if parent in owners} - {own}
            raw = getattr(step.revision.module, "depends_on", None) or ()
            for name in (raw,) if isinstance(raw, str) else raw:
                if name.endswith(("@head", "@heads")):
                    needs[own].add(name.split("@")[0])
                    whole = True
        if not whole:
            return list(steps)
        rank = {owner: place for place, owner in enumerate(ordered(needs))}
        return sorted(steps, key=lambda step: rank[owners[step.revision.revision]])

    def _applied(self, connection: Connection) -> Callable[..., None]:
        def record(*, step: MigrationInfo, **_: object) -> None:
            """Ownership as the processor records it, so that a module migrated by hand can be installed and removed."""
            present = migrations.catalogue(connection)
            owner = self._owner(step)
            self._touched.add(owner)
            if "core_table_owner" in present and owner != CORE:
                made = dict.fromkeys(present.keys() - self._before, str(step.up_revision_id))
                Ownership(owner, recorded_owners(connection)).record(connection, made, present)
            self._before = set(present)

        return record

    def _owner(self, step: MigrationInfo) -> str:
        script: Any = step.up_revision
        return owner_of(script, self._folders)

    def _wanted_tables(self, connection: Connection) -> set[str]:
        """The tables a new revision is about: those of the module whose folder was named, else the core's."""
        owner = self._asked_owner()
        if owner is None:
            return set(self.metadata.tables)
        owned = recorded_owners(connection) if "core_table_owner" in self._before else {}
        return self._tables.get(owner, set()) | {table for table, whose in owned.items() if whose == owner}

    def _asked_owner(self) -> str | None:
        if self._version_path is None:
            return CORE
        asked = Path(self._version_path).resolve()
        return next((owner for owner, folder in self._folders.items() if folder.resolve() == asked), self._owner_of_package(asked))

    def _owner_of_package(self, versions: Path) -> str | None:
        """A module whose first revision is being made has no folder yet."""
        for found in discover_modules():
            try:
                if found.package_path.resolve() == versions.parents[1]:
                    return found.name
            except ManifestInvalid:
                continue
        return None

    def _import_models(self) -> None:
        for package in pkgutil.iter_modules(app.core.__path__):
            if package.ispkg and importlib.util.find_spec(f"app.core.{package.name}.models") is not None:
                importlib.import_module(f"app.core.{package.name}.models")
        core = set(self.metadata.tables)
        self._tables[CORE] = core
        for found in discover_modules():
            try:
                self._tables[found.name] = {model.__tablename__ for model in found.module.get_models()}
            except ManifestInvalid as error:
                logger.warning("%s", error)

    @staticmethod
    def _end_transaction(connection: Connection) -> None:
        """The looks above began one; Alembic wants to begin its own."""
        connection.rollback()


def _splice(context: MigrationContext, revision: Any, directives: list[MigrationScript]) -> None:
    """`--head 0001` starts a branch at the core's anchor, which is no head once any module has a revision (guide §3)."""
    for directive in directives:
        if directive.branch_label and directive.head not in (None, "head"):
            directive.splice = True
