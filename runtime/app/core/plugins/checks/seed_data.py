"""Seed files against what they fill and refer to (guide §3, §12), without a database."""

from collections.abc import Iterator
from typing import Final

from app.core.plugins.errors import SeedInvalid
from app.core.plugins.loader import DiscoveredModule
from app.core.plugins.seed_files import PlacedRecord, read_seeds

from .issues import Issue, issue
from .surroundings import Surroundings

_REFERENCE: Final = "$xmlref:"


def seed_issues(found: DiscoveredModule, surroundings: Surroundings) -> Iterator[Issue]:
    name, allowed = found.name, {found.name, *found.manifest.depends}
    try:
        records = _records(found)
    except SeedInvalid as error:
        yield issue("SEED_INVALID", f"{name}: {error.message}", name)
        return
    known = {placed.record.xml_id for placed in records} | set(_ids_of(found.manifest.depends, surroundings))
    for placed in records:
        where = f"{name}: {placed.file}, entry {placed.index + 1} ({placed.record.xml_id})"
        owner = surroundings.tables.get(placed.record.table)
        if owner not in allowed:
            text = f"{where} fills {placed.record.table} of {owner or 'nobody'}; seeds fill tables of the module and its `depends`"
            yield issue("SEED_TABLE_FOREIGN", text, name)
        for column, value in placed.record.values.items():
            if isinstance(value, str) and value.startswith(_REFERENCE) and value.removeprefix(_REFERENCE) not in known:
                text = f"{where}: {column} refers to {value.removeprefix(_REFERENCE)}, a record of neither {name} nor its `depends`"
                yield issue("SEED_REFERENCE_UNKNOWN", text, name)


def _records(found: DiscoveredModule) -> list[PlacedRecord]:
    """The records of the files that are there; those that are not have an issue of their own."""
    files = [file for file in found.manifest.data_files if (found.package_path / file).is_file()]
    return read_seeds(found.name, found.package_path, files)


def _ids_of(modules: tuple[str, ...], surroundings: Surroundings) -> Iterator[str]:
    for name in modules:
        found = surroundings.modules.get(name)
        if found is None:
            continue
        try:
            yield from (placed.record.xml_id for placed in _records(found))
        except SeedInvalid:
            continue
