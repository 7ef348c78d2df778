"""Adopting a platform's revision: marks what is to be installed and removed. The processor then does it; nothing else happens here.

The revision is the whole module set, so its silence removes a module, but only one that came by a revision.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from . import books, law
from .errors import NeededByModules, NotRemovable, RemovalRefused, RequiredByLaw
from .models import ModuleRecord, core_module
from .pending import Packages
from .states import STAYS, State, Trigger
from .topology import dependents, in_order

MARKED: Final = "modules_marked"
"""Key in `core_setting`: the generation whose modules were marked last."""
_LATEST: Final = sa.text("SELECT generation, document FROM core_revision ORDER BY generation DESC LIMIT 1")
_MARKED: Final = sa.text("SELECT (value->>'generation')::bigint FROM core_setting WHERE key = :key")
_MARK: Final = sa.text("""
    INSERT INTO core_setting (key, value) VALUES (:key, jsonb_build_object('generation', CAST(:generation AS bigint)))
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()
""")


@dataclass(frozen=True, slots=True)
class Adopted:
    """What the revision changed, dependencies first."""

    to_install: tuple[str, ...] = ()
    to_remove: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    """Pending changes that are no longer asked for."""
    refused: Mapping[str, str] | None = None
    """Modules that should go and cannot, with the reason."""


async def apply_latest_revision(connection: AsyncConnection, packages: Packages) -> Adopted | None:
    """Mark the modules of the newest revision in `core_revision`, once: a removal that was refused is not asked for again at every boot.

    None if there is none, or it was marked before. In the caller's transaction.
    """
    latest = (await connection.execute(_LATEST)).one_or_none()
    if latest is None or latest.generation == (await connection.execute(_MARKED, {"key": MARKED})).scalar_one_or_none():
        return None
    adopted = await apply_revision(
        connection,
        packages,
        generation=latest.generation,
        modules=[module["name"] for module in latest.document["modules"]],
        required=[entry["id"] for entry in latest.document["compliance"]["obligations"] if entry["status"] == "required"],
    )
    await connection.execute(_MARK, {"key": MARKED, "generation": latest.generation})
    return adopted


async def apply_revision(
    connection: AsyncConnection,
    packages: Packages,
    *,
    generation: int,
    modules: Collection[str],
    required: Collection[str] = (),
) -> Adopted:
    """Mark the modules of a revision in the caller's transaction (the owner's). `required` are the obligations the law sets the clinic.

    A module that is not in this release is marked too, so that the processor can say what is missing. Attempts start anew: a new revision
    is a new request.
    """
    wanted = set(modules)
    await _make_known(connection, packages, wanted)
    records = await books.read_records(connection)
    depends = {name: record.depends for name, record in records.items()} | packages.depends
    installed: list[str] = []
    withdrawn: list[str] = []
    for name in in_order(wanted, depends):
        record = records[name]
        if record.state is State.UNINSTALLED:
            await books.move(connection, record, Trigger.INSTALL, by_generation=generation, **books.CLEARED)
            installed.append(name)
        elif record.state is State.TO_REMOVE:
            await books.move(connection, record, Trigger.WITHDRAW, **books.CLEARED)
            withdrawn.append(name)
        else:
            await connection.execute(sa.update(core_module).where(core_module.c.name == name).values(**books.CLEARED))
    for name in _to_switch_on(records, depends, wanted, required):
        await books.move(connection, records[name], Trigger.TOGGLE, disabled_at=None)
    going = [name for name, record in records.items() if name not in wanted and record.by_generation is not None and record.state in STAYS]
    removed: list[str] = []
    refused: dict[str, str] = {}
    for name in reversed(in_order(going, depends)):
        try:
            _refuse(records, depends, name, set(going) - refused.keys(), required)
        except RemovalRefused as error:
            refused[name] = str(error)
            await books.note_error(connection, name, str(error))
            continue
        record = records[name]
        never_begun = record.state is State.TO_INSTALL and record.attempts == 0
        if never_begun:
            await books.move(connection, record, Trigger.WITHDRAW, by_generation=None, **books.CLEARED)
            withdrawn.append(name)
        else:
            await books.move(connection, record, Trigger.UNINSTALL, **books.CLEARED)
            removed.append(name)
    return Adopted(tuple(installed), tuple(removed), tuple(withdrawn), refused)


async def _make_known(connection: AsyncConnection, packages: Packages, wanted: set[str]) -> None:
    for name in sorted(wanted - packages.records.keys()):
        manifest = packages.manifests.get(name)
        await connection.execute(
            sa.insert(core_module).values(
                name=name,
                category=manifest.category if manifest else "community",
                removable=bool(manifest and manifest.removable),
                auto_install=bool(manifest and manifest.auto_install),
                manifest_snapshot=manifest.snapshot() if manifest else {},
            )
        )


def _to_switch_on(
    records: Mapping[str, ModuleRecord], depends: Mapping[str, Sequence[str]], wanted: set[str], required: Collection[str]
) -> list[str]:
    """The modules that were switched off here, and are needed by one that is on, or by law."""
    on = {name for name in wanted if not records[name].switched_off}
    found: list[str] = []
    for name in reversed(in_order(wanted, depends)):
        needed = dependents([name], depends) & on or law.unmet_without(name, records, on, required)
        if records[name].state is State.DISABLED and needed:
            on.add(name)
            found.append(name)
    return found


def _refuse(
    records: Mapping[str, ModuleRecord],
    depends: Mapping[str, Sequence[str]],
    name: str,
    going: set[str],
    required: Collection[str],
) -> None:
    record = records[name]
    if not record.removable and record.installed_at is not None:
        raise NotRemovable(name)
    staying = {other for other, row in records.items() if row.state in STAYS and other not in going}
    holding = sorted(dependents([name], depends) & staying)
    if holding:
        raise NeededByModules(name, holding)
    lost = law.unmet_without(name, records, [other for other in staying if not records[other].switched_off], required)
    if lost:
        raise RequiredByLaw(name, lost)
