"""What `dump_module` promises the uninstall."""

import asyncio
import json
import os
import re
import subprocess

import asyncpg
import pytest
from sqlalchemy import make_url

from app.core.plugins.backup import (
    BackupMismatch,
    ClientToolsMissing,
    ClientToolsTooOld,
    DumpFailed,
    StorageFull,
    find_backup,
    list_backups,
)

from .conftest import CLINIC, TABLES


async def test_a_dump_and_its_manifest_lie_under_backups_for_nobody_else_to_read(stock):
    backup = await stock.uninstall()

    assert re.fullmatch(r"stock-\d{8}T\d{6}Z-[0-9a-f]{8}", backup.id)
    assert stock.files == [f"{backup.id}.dump", f"{backup.id}.json"]
    assert {path.stat().st_mode & 0o777 for path in (backup.dump_path, backup.manifest_path)} == {0o600}
    assert (stock.storage / "backups").stat().st_mode & 0o777 == 0o700


async def test_the_manifest_says_what_the_dump_holds_and_what_made_it(stock):
    backup = await stock.uninstall()

    written = json.loads(backup.manifest_path.read_text())
    assert {table["name"]: table["rows"] for table in written["tables"]} == {"stock_items": 3, "Stock Lots": 2, "stock_empty": 0}
    assert (written["module"], written["version"], written["core_version"], written["revisions"]) == ("stock", "1.2.3", "1.0.0", ["st_1"])
    assert [row["xml_id"] for row in written["external_ids"]] == ["stock.first", "stock.gone"]
    assert {row["name"]: row["last_value"] for row in written["sequences"]} == {"stock_items_legacy_seq": 3, "stock_items_number_seq": 3}
    assert "twice" not in next(table["columns"] for table in written["tables"] if table["name"] == "stock_items")
    assert written["dump_bytes"] == backup.dump_path.stat().st_size


def listing_of(stock, path):
    return subprocess.run([stock.database.bindir / "pg_restore", "--list", path], capture_output=True, text=True, check=True).stdout


async def test_postgresqls_own_tools_can_read_the_dump(stock):
    backup = await stock.uninstall()

    listing = await asyncio.to_thread(listing_of, stock, backup.dump_path)

    assert len(re.findall(r"TABLE DATA public (?:stock_items|Stock Lots|stock_empty) ", listing)) == 3


async def test_writers_wait_until_the_transaction_ends_and_readers_do_not(stock):
    async with stock.transaction() as conn:
        await stock.dump(conn)
        other = await asyncpg.connect(stock.database.owner_url, server_settings={"lock_timeout": "100"})
        try:
            assert await other.fetchval("SELECT count(*) FROM stock_items") == 3
            with pytest.raises(asyncpg.LockNotAvailableError):
                await other.execute("DELETE FROM stock_empty")
        finally:
            await other.close()


async def test_the_password_is_on_no_command_line_and_in_no_variable(stock, tools, tmp_path):
    seen = tmp_path / "seen"
    look = 'cat /proc/$$/cmdline /proc/$$/environ; stat -Lc " mode=%a" "$PGPASSFILE"; readlink "$PGPASSFILE"'
    bindir = tools(pg_dump=f'{{ {look}; }} | tr "\\0" "\\n" > {seen}\nexec "$REAL/pg_dump" "$@"')
    url = make_url(stock.database.owner_url)

    os.environ["OWNER_DATABASE_URL"] = stock.database.owner_url
    try:
        await stock.uninstall(bindir=bindir)
    finally:
        del os.environ["OWNER_DATABASE_URL"]

    text = seen.read_text()
    assert "PGPASSFILE=" in text
    assert "--snapshot=" in text
    assert " mode=600" in text
    assert url.password not in text
    # In memory: a killed process leaves nothing on disk.
    assert "/memfd:pgpass" in text


async def test_an_odd_password_reaches_pg_dump_whole(stock, tools, tmp_path):
    seen = tmp_path / "seen"
    bindir = tools(pg_dump=f'cat "$PGPASSFILE" > {seen}\nexit 1')
    url = make_url(stock.database.owner_url).set(password=r"a:b\c").render_as_string(hide_password=False)

    with pytest.raises(DumpFailed):
        await stock.uninstall(bindir=bindir, owner_url=url)

    assert seen.read_text() == "*:*:*:*:a\\:b\\\\c\n"


async def test_a_refused_login_is_an_error_without_the_password_and_leaves_no_file(stock):
    url = make_url(stock.database.owner_url).set(password="wrong-horse").render_as_string(hide_password=False)

    with pytest.raises(DumpFailed) as refusal:
        await stock.uninstall(owner_url=url)

    assert "wrong-horse" not in str(refusal.value)
    assert "password authentication failed" in str(refusal.value)
    assert stock.files == []
    assert len(await stock.rows("SELECT 1 FROM stock_items")) == 3


async def test_a_full_disk_is_named_and_leaves_no_file(stock, tools):
    elsewhere = 'for a in "$@"; do shift; case $a in --file=*) a=--file=/dev/full;; esac; set -- "$@" "$a"; done'
    bindir = tools(pg_dump=f'{elsewhere}\nexec "$REAL/pg_dump" "$@"')

    with pytest.raises(StorageFull, match="Free some space"):
        await stock.uninstall(bindir=bindir)

    assert stock.files == []


async def test_a_dump_without_some_rows_is_thrown_away(stock, tools):
    bindir = tools(pg_dump='exec "$REAL/pg_dump" "$@" --exclude-table-data=stock_items')

    with pytest.raises(BackupMismatch) as mismatch:
        await stock.uninstall(bindir=bindir)

    assert mismatch.value.tables == ["stock_items"]
    assert stock.files == []


async def test_one_changed_value_is_noticed(stock, tools):
    bindir = tools(pg_restore='"$REAL/pg_restore" "$@" | sed "s/99999.99/99999.98/"')

    with pytest.raises(BackupMismatch) as mismatch:
        await stock.uninstall(bindir=bindir)

    assert mismatch.value.tables == ["stock_items"]


async def test_rows_changed_by_the_same_transaction_are_a_mismatch_since_the_snapshot_lacks_them(stock):
    with pytest.raises(BackupMismatch, match="same transaction"):
        async with stock.transaction() as conn:
            await conn.exec_driver_sql('DELETE FROM "Stock Lots" WHERE "Order" IS NULL')
            await stock.dump(conn)

    assert stock.files == []


async def test_missing_client_tools_say_what_to_install(stock, tmp_path):
    with pytest.raises(ClientToolsMissing, match="postgresql-client"):
        await stock.uninstall(bindir=tmp_path)

    assert stock.files == []


async def test_client_tools_older_than_the_server_are_refused(stock, tools):
    bindir = tools()
    (bindir / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n")

    with pytest.raises(ClientToolsTooOld, match=r"is 9.*PG_BINDIR"):
        await stock.uninstall(bindir=bindir)


async def test_new_enough_client_tools_are_found_without_being_named(stock):
    backup = await stock.uninstall(bindir=None)

    assert backup.manifest.client_version >= int(backup.manifest.server_version.split(".")[0])


async def test_a_module_without_tables_gets_a_manifest_only(stock):
    async with stock.transaction() as conn:
        backup = await stock.dump(conn, tables=[], bindir=None)

    assert stock.files == [f"{backup.id}.json"]
    assert backup.dump_path is None
    assert backup.manifest.external_ids


async def test_tables_that_are_gone_already_do_not_stop_the_backup(stock):
    await stock.run('DROP TABLE stock_items, "Stock Lots", stock_empty')

    async with stock.transaction() as conn:
        backup = await stock.dump(conn)

    assert backup.manifest.tables == ()
    assert stock.files == [f"{backup.id}.json"]


async def test_a_seed_in_another_modules_table_is_kept_with_the_module(stock):
    await stock.run(
        "CREATE TABLE catalog (id uuid PRIMARY KEY, price numeric);"
        "INSERT INTO catalog VALUES ('cccccccc-0000-0000-0000-000000000001', 1.10), ('cccccccc-0000-0000-0000-000000000002', 2);"
        "INSERT INTO core_external_id (module_name, xml_id, table_name, record_id)"
        " VALUES ('stock', 'stock.service', 'catalog', 'cccccccc-0000-0000-0000-000000000001')"
    )

    backup = await stock.uninstall()

    assert [(row.table, json.loads(row.row)["price"]) for row in backup.manifest.seeded_rows] == [("catalog", 1.10)]


async def test_what_a_killed_dump_left_is_cleared_by_the_next(stock):
    folder = stock.storage / "backups"
    folder.mkdir(parents=True)
    (folder / ".stock-20260101T000000Z-0123abcd.dump.draft").write_text("half")
    (folder / ".stock_more-20260101T000000Z-0123abcd.dump.draft").write_text("another module's")

    await stock.uninstall()

    assert [name for name in stock.files if name.endswith(".draft")] == [".stock_more-20260101T000000Z-0123abcd.dump.draft"]


async def test_backups_are_listed_latest_first_and_the_latest_is_the_default(stock):
    async with stock.transaction() as conn:
        first = await stock.dump(conn)
        second = await stock.dump(conn)
        await stock.dump(conn, module="stock-more")

    assert [backup.id for backup in list_backups(stock.storage, "stock")] == [second.id, first.id]
    assert find_backup(stock.storage, "stock") == second
    assert find_backup(stock.storage, "stock", first.id) == first
    assert find_backup(stock.storage, "stock", str(first.dump_path)) == first


async def test_half_a_backup_is_not_listed(stock):
    backup = await stock.uninstall()
    backup.dump_path.unlink()

    assert list_backups(stock.storage, "stock") == []


async def test_no_message_or_manifest_holds_the_password(stock):
    backup = await stock.uninstall()

    assert make_url(stock.database.owner_url).password not in backup.manifest_path.read_text()
    assert CLINIC in backup.manifest_path.read_text()
    assert set(TABLES) == set(backup.summary()["tables"])
