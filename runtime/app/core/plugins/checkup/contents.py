"""What stands in the tables: events that were given up, grants that reach nobody, seeds that people changed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.auth.permissions import CORE_PERMISSIONS, ROLES, Permissions
from app.core.plugins.errors import PluginError
from app.core.plugins.models import ModuleRecord
from app.core.plugins.registry import MountedModule
from app.core.plugins.seed_files import PlacedRecord, read_seeds
from app.core.plugins.seeds import SeedLoader
from app.core.plugins.states import IN_FORCE

from .finding import Finding, error, warning

LISTED: Final = 5
_DEAD: Final = sa.text("""
    SELECT module_name, handler, count(*) AS events FROM core_event_delivery WHERE status = 'dead'
    GROUP BY module_name, handler ORDER BY module_name, handler
""")
_WAITING: Final = sa.text("""
    SELECT d.module_name, count(*) AS events FROM core_event_delivery d JOIN core_module m ON m.name = d.module_name
    WHERE d.status = 'pending' AND m.disabled_at IS NOT NULL GROUP BY d.module_name ORDER BY d.module_name
""")
_ROLES: Final = sa.text("SELECT name, granted, denied FROM roles WHERE granted <> '[]' OR denied <> '[]' ORDER BY name, id")
_FOREIGN_GRANTS: Final = sa.text("""
    SELECT c.relname AS name, coalesce(r.rolname, 'PUBLIC') AS grantee, string_agg(a.privilege_type, ', ' ORDER BY 1) AS privileges
    FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND a.grantee <> c.relowner
      AND (a.grantee = 0 OR NOT EXISTS (
        SELECT FROM pg_database d CROSS JOIN LATERAL aclexplode(d.datacl) da
        WHERE d.datname = current_database() AND da.privilege_type = 'CONNECT' AND da.grantee = a.grantee))
    GROUP BY 1, 2 ORDER BY 1, 2
""")
_SET_CLINIC: Final = sa.text("SELECT set_config('app.clinic_id', :clinic, true)")


async def events(connection: AsyncConnection) -> list[Finding]:
    """Deliveries that were given up, and those that wait for a module that is switched off."""
    dead = [
        error(
            "DEAD_LETTERS",
            row.module_name,
            f"{row.events} events were given up at {row.handler}: GET /api/v1/events/-/dead-letters shows them; replay or discard them",
        )
        for row in await connection.execute(_DEAD)
    ]
    waiting = [
        warning("EVENTS_WAIT", row.module_name, f"{row.events} events wait for {row.module_name}, which is switched off")
        for row in await connection.execute(_WAITING)
    ]
    return dead + waiting


async def grants(connection: AsyncConnection, modules: Mapping[str, MountedModule]) -> list[Finding]:
    """Permissions nobody is given, patterns that match none, and database rights of roles that have no business here."""
    declared = {permission: name for name, module in modules.items() for permission in module.permissions}
    roles = [(row.name, row.granted, row.denied) for row in await connection.execute(_ROLES)]
    found = []
    for permission, module in sorted(declared.items()):
        standard = any(permission in modules[module].grants(role) for role in ROLES)
        if not standard and not any(permission in Permissions(granted) for _, granted, _ in roles):
            found.append(warning("GRANTED_TO_NOBODY", module, f"no role has {permission}: grant it in role_permissions, or to a role here"))
    known = {*declared, *CORE_PERMISSIONS}
    for role, granted, denied in roles:
        lost = [each for each in dict.fromkeys([*granted, *denied]) if each != "*" and not known & _covered(each, known)]
        found += [warning("GRANT_OF_NOTHING", "", f"the role {role} names {each}, which no installed module has") for each in lost]
    for row in await connection.execute(_FOREIGN_GRANTS):
        text = f"{row.grantee} has {row.privileges} on {row.name}: only the owner and the request role should; REVOKE it"
        found.append(error("FOREIGN_GRANT", "", text))
    return found


def _covered(pattern: str, known: Iterable[str]) -> set[str]:
    wide = Permissions([pattern])
    return {name for name in known if name in wide}


@dataclass(slots=True)
class _Rehearsal(SeedLoader):
    """Loads seeds to see what that would change. Whoever uses it rolls back."""

    changed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    async def _put(self, placed: PlacedRecord, clinic: UUID | None) -> None:
        updated, inserted = self.loaded.updated, self.loaded.inserted
        await SeedLoader._put(self, placed, clinic)
        if self.loaded.updated > updated:
            self.changed.append(placed.record.xml_id)
        elif self.loaded.inserted > inserted:
            self.lost.append(placed.record.xml_id)


_Scope = tuple[UUID | None, list[UUID]]
"""The clinic whose rows are seen (None: all), and the clinics whose seeds are looked at."""


async def seeds(
    connection: AsyncConnection, records: Mapping[str, ModuleRecord], modules: Mapping[str, Any], clinics: Iterable[UUID], *, as_owner: bool
) -> list[Finding]:
    """Seeded rows that are not as the files have them: the next upgrade writes them anew. `modules` are the packages found here.

    Each module's seeds are loaded into a savepoint that is rolled back; nothing is kept. Only the owner may touch what clinics share.
    """
    found: list[Finding] = []
    scopes: list[_Scope] = [(None, list(clinics))] if as_owner else [(clinic, [clinic]) for clinic in clinics]
    for name, record in sorted(records.items()):
        manifest, package = record.manifest, modules.get(name)
        if record.state not in IN_FORCE or manifest is None or package is None or not manifest.data_files:
            continue
        try:
            placed = read_seeds(name, package.package_path, manifest.data_files)
            changed, lost = await _rehearse(connection, name, frozenset(manifest.depends), placed, scopes)
        except (PluginError, DBAPIError) as problem:
            found.append(error("SEEDS_UNUSABLE", name, f"the seeds of {name} cannot be loaded: {_said(problem)}"))
            continue
        if changed:
            found.append(warning("SEED_EDITED", name, f"{_listed(changed)} of {name} was edited by hand; the next upgrade writes it anew"))
        if lost:
            found.append(warning("SEED_DELETED", name, f"{_listed(lost)} of {name} is missing; the next upgrade brings it back"))
    return found


async def _rehearse(
    connection: AsyncConnection, name: str, depends: frozenset[str], placed: list[PlacedRecord], scopes: list[_Scope]
) -> tuple[list[str], list[str]]:
    changed: dict[str, None] = {}
    lost: dict[str, None] = {}
    for bound_to, clinics in scopes:
        savepoint = await connection.begin_nested()
        try:
            if bound_to is not None:
                await connection.execute(_SET_CLINIC, {"clinic": str(bound_to)})
            rehearsal = _Rehearsal(connection, name, depends)
            await rehearsal.load(placed, clinics, shared=bound_to is None)
            changed.update(dict.fromkeys(rehearsal.changed))
            lost.update(dict.fromkeys(rehearsal.lost))
        finally:
            await savepoint.rollback()
    return list(changed), list(lost)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _said(problem: PluginError | DBAPIError) -> str:
    return problem.message if isinstance(problem, PluginError) else str(problem.orig).splitlines()[0]


def subscriptions(modules: Mapping[str, MountedModule]) -> Iterator[Finding]:
    """Handlers and grants that cannot be read from the module's own code."""
    for name, module in sorted(modules.items()):
        try:
            len(module.handlers)
        except Exception as problem:
            # A stranger's code may raise anything; it is what is being looked at.
            yield error("HANDLERS_UNUSABLE", name, f"the event handlers of {name} cannot be read: {problem}")
