"""The guide's conventions for tables (§3): UUID keys, indexed clinics, times with a zone. Judged on the models."""

from collections.abc import Iterator

import sqlalchemy as sa

from app.core.plugins.loader import DiscoveredModule
from app.database import Base

from .issues import Issue, issue
from .surroundings import Surroundings, final_tables


def table_issues(found: DiscoveredModule, surroundings: Surroundings) -> Iterator[Issue]:
    for table in own_tables(found, surroundings):
        yield from _key_issues(found.name, table)
        yield from _clinic_issues(found.name, table)
        for column in table.columns:
            if isinstance(column.type, sa.DateTime) and not column.type.timezone:
                text = f"{found.name}: {table.name}.{column.name} has no time zone; write DateTime(timezone=True)"
                yield issue("TIME_WITHOUT_ZONE", text, found.name)


def own_tables(found: DiscoveredModule, surroundings: Surroundings) -> list[sa.Table]:
    """The tables of the module's models, also of those get_models() leaves out, by name."""
    tables = {table.name: table for model in found.module.get_models() if isinstance(table := getattr(model, "__table__", None), sa.Table)}
    made = final_tables(surroundings.recorded.get(found.name, []))
    tables |= {name: table for name, table in Base.metadata.tables.items() if name in made and name not in tables}
    return [tables[name] for name in sorted(tables)]


def _key_issues(name: str, table: sa.Table) -> Iterator[Issue]:
    key = list(table.primary_key.columns)
    if [column.name for column in key] != ["id"] or not isinstance(key[0].type, sa.Uuid):
        text = f"{name}: {table.name} needs a primary key `id` of type UUID with gen_random_uuid(); seeds and backups go by it"
        yield issue("TABLE_KEY_NOT_UUID", text, name)


def _clinic_issues(name: str, table: sa.Table) -> Iterator[Issue]:
    clinic = table.columns.get("clinic_id")
    if clinic is None:
        text = f"{name}: {table.name} has no clinic_id, so that every clinic sees and changes its rows; add one unless that is meant"
        yield issue("TABLE_WITHOUT_CLINIC", text, name)
        return
    if not isinstance(clinic.type, sa.Uuid):
        yield issue("CLINIC_NOT_UUID", f"{name}: {table.name}.clinic_id must be of type UUID", name)
    if not any(columns and columns[0].name == "clinic_id" for columns in _indexed(table)):
        text = f"{name}: {table.name}.clinic_id has no index; write index=True, or begin a unique constraint with it"
        yield issue("CLINIC_NOT_INDEXED", text, name)


def _indexed(table: sa.Table) -> Iterator[list[sa.Column[object]]]:
    for index in table.indexes:
        yield list(index.columns)
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint | sa.PrimaryKeyConstraint):
            yield list(constraint.columns)
