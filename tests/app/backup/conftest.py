"""A module with everything that makes a dump hard, migrated with plain SQL."""

import importlib.util
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

import app
from app.core.plugins.backup import Backup, dump_module, restore_module
from app.database import sqlalchemy_url
from tests.support.postgres import Postgres, TenantDatabase, database_from, in_fresh_loop, make_template

CLINIC = "11111111-1111-1111-1111-111111111111"
OTHER_CLINIC = "22222222-2222-2222-2222-222222222222"

FIRST = """
CREATE TABLE stock_items (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    clinic_id uuid NOT NULL REFERENCES clinics (id),
    parent_id uuid REFERENCES stock_items (id),
    main_lot_id uuid,
    number integer GENERATED ALWAYS AS IDENTITY,
    legacy serial,
    name text NOT NULL,
    price numeric(12, 2),
    twice numeric GENERATED ALWAYS AS (price * 2) STORED,
    ratio double precision,
    tags text[],
    details jsonb,
    photo bytea,
    stored_at timestamptz,
    lasts interval,
    slot tstzrange,
    EXCLUDE USING gist (slot WITH &&)
);
CREATE TABLE "Stock Lots" (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "Order" integer,
    item_id uuid NOT NULL REFERENCES stock_items (id) ON DELETE CASCADE,
    "odd "", (column" text
);
ALTER TABLE stock_items ADD CONSTRAINT fk_main_lot FOREIGN KEY (main_lot_id) REFERENCES "Stock Lots" (id);
CREATE TABLE stock_empty (id uuid PRIMARY KEY);
ALTER TABLE stock_items ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_clinic ON stock_items USING (clinic_id = nullif(current_setting('app.clinic_id', true), '')::uuid);
CREATE FUNCTION stock_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := NEW.name || '!'; RETURN NEW; END $$;
CREATE TRIGGER guard BEFORE INSERT ON stock_items FOR EACH ROW EXECUTE FUNCTION stock_guard();
INSERT INTO stock_empty VALUES ('99999999-9999-9999-9999-999999999999');
"""
FIRST_DOWN = 'DROP TABLE stock_items, "Stock Lots", stock_empty; DROP FUNCTION stock_guard;'
SECOND = "ALTER TABLE stock_items ADD COLUMN note text NOT NULL DEFAULT 'none'"
SECOND_DOWN = "ALTER TABLE stock_items DROP COLUMN note"
TABLES = ("stock_items", "Stock Lots", "stock_empty")

ROWS = f"""
INSERT INTO stock_items (id, clinic_id, parent_id, name, price, ratio, tags, details, photo, stored_at, lasts, slot)
OVERRIDING USER VALUE VALUES
  ('aaaaaaaa-0000-0000-0000-000000000002', '{CLINIC}', 'aaaaaaaa-0000-0000-0000-000000000001',
   E'tab\\t, line\\n, back\\\\slash, \\\\.', 1.10, 0.1::float8 + 0.2::float8, ARRAY['a,b', NULL, '"q"', ''],
   '{{"n": 1.10, "é": "ñ"}}', '\\x00ff0a5c', '2026-03-29 01:30:00+00', '1 mon 3 days',
   '[2026-01-01 10:00+00,2026-01-01 11:00+00)'),
  ('aaaaaaaa-0000-0000-0000-000000000001', '{CLINIC}', NULL,
   E'\\\\N ''quoted'' "double" 😀 COPY x (y) FROM stdin;', NULL, 'NaN', '{{}}', 'null', '',
   '-infinity', '-00:00:01', 'empty'),
  ('aaaaaaaa-0000-0000-0000-000000000003', '{CLINIC}', 'aaaaaaaa-0000-0000-0000-000000000003',
   '', 99999.99, 'Infinity', NULL, NULL, NULL, NULL,
   NULL, NULL);
INSERT INTO "Stock Lots" (id, "Order", item_id, "odd "", (column") VALUES
  ('bbbbbbbb-0000-0000-0000-000000000001', 1, 'aaaaaaaa-0000-0000-0000-000000000001', 'x'),
  ('bbbbbbbb-0000-0000-0000-000000000002', NULL, 'aaaaaaaa-0000-0000-0000-000000000002', NULL);
UPDATE stock_items SET main_lot_id = 'bbbbbbbb-0000-0000-0000-000000000001' WHERE price IS NULL;
DELETE FROM stock_empty;
INSERT INTO core_external_id (module_name, xml_id, table_name, record_id, clinic_id, noupdate) VALUES
  ('stock', 'stock.first', 'stock_items', 'aaaaaaaa-0000-0000-0000-000000000001', '{CLINIC}', true),
  ('stock', 'stock.gone', 'stock_items', 'aaaaaaaa-0000-0000-0000-00000000dead', NULL, false);
"""


@dataclass
class SqlMigrations:
    """The migrations of one module, as the processor would run them."""

    scripts: dict[str, tuple[str, str]] = field(default_factory=lambda: {"st_1": (FIRST, FIRST_DOWN), "st_2": (SECOND, SECOND_DOWN)})
    applied: list[str] = field(default_factory=list)

    @property
    def known(self) -> set[str]:
        return set(self.scripts)

    async def upgrade_to(self, conn: AsyncConnection, revisions) -> None:
        assert not self.applied
        for revision in revisions:
            await run(conn, self.scripts[revision][0])
            self.applied.append(revision)

    async def upgrade_to_head(self, conn: AsyncConnection) -> None:
        for revision, (up, _) in self.scripts.items():
            if revision not in self.applied:
                await run(conn, up)
                self.applied.append(revision)

    async def remove(self, conn: AsyncConnection) -> None:
        while self.applied:
            await run(conn, self.scripts[self.applied.pop()][1])


async def run(conn: AsyncConnection, script: str) -> None:
    await conn.exec_driver_sql("SELECT 1")
    await (await conn.get_raw_connection()).driver_connection.execute(script)


def _core_schema(database: TenantDatabase) -> None:
    path = Path(app.__file__).parent / "migrations" / "versions" / "0001_core.py"
    spec = importlib.util.spec_from_file_location("core_0001", path)
    revision = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(revision)

    def upgrade(connection) -> None:
        with Operations.context(MigrationContext.configure(connection)):
            revision.upgrade()

    async def apply() -> None:
        engine = create_async_engine(sqlalchemy_url(database.owner_url))
        async with engine.begin() as conn:
            await conn.run_sync(upgrade)
            for clinic in (CLINIC, OTHER_CLINIC):
                await conn.exec_driver_sql(
                    "INSERT INTO clinics (id, name, country, timezone, currency, locale)"
                    f" VALUES ('{clinic}', 'Clínica', 'ES', 'Europe/Madrid', 'EUR', 'es')"
                )
        await engine.dispose()

    in_fresh_loop(apply)


@pytest.fixture
def core(postgres: Postgres) -> Iterator[TenantDatabase]:
    """A tenant's database with the core's tables and two clinics."""
    with database_from(postgres, make_template(postgres, "backup_core", _core_schema)) as database:
        yield database


@dataclass
class Stock:
    """The module `stock` in one database, with the two functions under test."""

    database: TenantDatabase
    engine: AsyncEngine
    storage: Path
    migrations: SqlMigrations = field(default_factory=SqlMigrations)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        async with self.engine.begin() as conn:
            await conn.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
            yield conn

    async def run(self, script: str) -> None:
        async with self.transaction() as conn:
            await run(conn, script)

    async def rows(self, query: str) -> list[tuple]:
        async with self.transaction() as conn:
            return [tuple(row) for row in await conn.exec_driver_sql(query)]

    async def dump(self, conn: AsyncConnection, **changes) -> Backup:
        arguments = {
            "owner_url": self.database.owner_url,
            "storage": self.storage,
            "module": "stock",
            "version": "1.2.3",
            "core_version": "1.0.0",
            "revisions": list(self.migrations.applied),
            "tables": TABLES,
            "bindir": self.database.bindir,
        }
        return await dump_module(conn, **(arguments | changes))

    async def uninstall(self, **changes) -> Backup:
        """Dump, then drop, in one transaction, as the processor does."""
        async with self.transaction() as conn:
            backup = await self.dump(conn, **changes)
            await self.migrations.remove(conn)
            await conn.exec_driver_sql("DELETE FROM core_external_id WHERE module_name = 'stock'")
        return backup

    async def restore(self, backup: Backup, **changes):
        arguments = {
            "migrations": self.migrations,
            "owner_url": self.database.owner_url,
            "storage": self.storage,
            "core_version": "1.0.0",
            "bindir": self.database.bindir,
        }
        async with self.transaction() as conn:
            return await restore_module(conn, backup, **(arguments | changes))

    async def everything(self) -> dict[str, list[tuple]]:
        """All that a restore must bring back, as text."""
        queries = {table: f'SELECT r::text FROM "{table}" r ORDER BY id' for table in TABLES}
        queries["sequences"] = "SELECT sequencename, last_value FROM pg_sequences ORDER BY 1"
        queries["external ids"] = (
            "SELECT id, xml_id, table_name, record_id, clinic_id, noupdate, created_at FROM core_external_id ORDER BY 1"
        )
        queries["constraints"] = (
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype <> 'n' ORDER BY 1, 2"
        )
        queries["triggers"] = "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal"
        return {name: await self.rows(query) for name, query in queries.items()}

    @property
    def files(self) -> list[str]:
        folder = self.storage / "backups"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture
async def stock(core: TenantDatabase, tmp_path: Path) -> AsyncIterator[Stock]:
    """The module installed at its first revision, with rows."""
    engine = create_async_engine(sqlalchemy_url(core.owner_url))
    module = Stock(core, engine, tmp_path / "storage")
    async with module.transaction() as conn:
        await module.migrations.upgrade_to(conn, ["st_1"])
        await run(conn, ROWS)
    yield module
    await engine.dispose()


@pytest.fixture
def tools(core: TenantDatabase, tmp_path: Path):
    """Client programs of our own: `tools(pg_dump="script")`; `$REAL` in a script is the folder of the real ones."""

    def make(**scripts: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in ("pg_dump", "pg_restore"):
            path = folder / name
            body = scripts.get(name, f'exec "$REAL/{name}" "$@"')
            path.write_text(f'#!/bin/sh\nREAL={core.bindir}\ncase $1 in --version) exec "$REAL/{name}" --version;; esac\n{body}\n')
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return folder

    return make
