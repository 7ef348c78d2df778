"""What `restore_module` promises: equal rows, or nothing changed and a sentence that says why."""

import pytest
from sqlalchemy.exc import IntegrityError

from app.core.plugins.backup import (
    BackupDamaged,
    ClientToolsTooOld,
    Present,
    ReferenceLost,
    RestoreRefused,
    RevisionMissing,
    RowsDoNotFit,
    RowsPresent,
    list_backups,
)

from .conftest import CLINIC, OTHER_CLINIC, TABLES

SEED = f"""
INSERT INTO stock_items (id, clinic_id, name) VALUES ('dddddddd-0000-0000-0000-000000000001', '{CLINIC}', 'seed');
INSERT INTO core_external_id (module_name, xml_id, table_name, record_id)
VALUES ('stock', 'stock.seed', 'stock_items', 'dddddddd-0000-0000-0000-000000000001')
"""


def present(stock, version="1.2.3"):
    return Present(version, list(stock.migrations.applied), TABLES)


@pytest.fixture
def only_first(stock):
    """The package whose head is the dumped revision, so that everything can be compared."""
    del stock.migrations.scripts["st_2"]
    return stock


async def test_restoring_brings_everything_back_equal(only_first):
    stock = only_first
    before = await stock.everything()
    backup = await stock.uninstall()
    assert await stock.rows("SELECT to_regclass('stock_items'), count(*)::int FROM core_external_id") == [(None, 0)]

    await stock.restore(backup)

    assert await stock.everything() == before


async def test_restored_tables_work_as_before(only_first):
    stock = only_first
    backup = await stock.uninstall()
    await stock.restore(backup)

    await stock.run(f"INSERT INTO stock_items (clinic_id, name, price) VALUES ('{CLINIC}', 'after', 2)")

    assert await stock.rows("SELECT number, legacy, name, twice::int FROM stock_items WHERE price = 2") == [(4, 4, "after!", 4)]
    with pytest.raises(IntegrityError, match="fk_main_lot"):
        async with stock.transaction() as conn:
            await conn.exec_driver_sql("UPDATE stock_items SET main_lot_id = gen_random_uuid()")


async def test_an_older_backup_is_loaded_at_its_revision_and_then_migrated_to_head(stock):
    backup = await stock.uninstall()

    await stock.restore(backup)

    assert stock.migrations.applied == ["st_1", "st_2"]
    assert await stock.rows("SELECT count(*)::int, min(note) FROM stock_items") == [(3, "none")]


async def test_a_revision_the_package_does_not_have_is_named(stock):
    backup = await stock.uninstall()
    del stock.migrations.scripts["st_1"]

    with pytest.raises(RevisionMissing, match=r"stock does not have the migration st_1.*Install stock 1\.2\.3"):
        await stock.restore(backup)


async def test_rows_whose_target_vanished_are_named_and_nothing_changes(stock):
    backup = await stock.uninstall()
    await stock.run(f"DELETE FROM clinics WHERE id = '{CLINIC}'")

    with pytest.raises(ReferenceLost) as refusal:
        await stock.restore(backup)

    assert f"stock_items.clinic_id={CLINIC} of row aaaaaaaa-0000-0000-0000-000000000001" in refusal.value.rows
    assert len(refusal.value.rows) == 3
    assert await stock.rows("SELECT to_regclass('stock_items')") == [(None,)]


async def test_external_ids_of_a_clinic_that_is_gone_are_named(stock):
    await stock.run(
        f"INSERT INTO core_external_id (module_name, xml_id, table_name, record_id, clinic_id)"
        f" VALUES ('stock', 'stock.other', 'stock_empty', gen_random_uuid(), '{OTHER_CLINIC}')"
    )
    backup = await stock.uninstall()
    await stock.run(f"DELETE FROM clinics WHERE id = '{OTHER_CLINIC}'")

    with pytest.raises(ReferenceLost, match=f"clinic_id={OTHER_CLINIC} of stock.other"):
        await stock.restore(backup)


async def test_a_damaged_dump_is_refused_whole(stock):
    backup = await stock.uninstall()
    content = bytearray(backup.dump_path.read_bytes())
    content[-200:-100] = bytes(100)
    backup.dump_path.write_bytes(content)

    with pytest.raises(BackupDamaged, match="Take an older backup"):
        await stock.restore(backup)

    assert await stock.rows("SELECT to_regclass('stock_items')") == [(None,)]


async def test_a_dump_cut_short_is_refused(stock):
    backup = await stock.uninstall()
    backup.dump_path.write_bytes(backup.dump_path.read_bytes()[:-10])

    with pytest.raises(BackupDamaged, match="recorded size"):
        await stock.restore(backup)


async def test_rows_that_arrive_changed_are_noticed(stock, tools):
    backup = await stock.uninstall()
    bindir = tools(pg_restore='"$REAL/pg_restore" "$@" | sed "s/99999.99/99999.98/"')

    with pytest.raises(BackupDamaged, match="stock_items are not those"):
        await stock.restore(backup, bindir=bindir)


async def test_an_edited_migration_is_refused_with_what_is_missing(stock):
    backup = await stock.uninstall()
    up, down = stock.migrations.scripts["st_1"]
    stock.migrations.scripts["st_1"] = (up.replace("photo bytea,", ""), down)

    with pytest.raises(RowsDoNotFit, match="stock_items.*no column photo"):
        await stock.restore(backup)


async def test_a_row_a_constraint_forbids_is_refused_without_showing_it(stock):
    backup = await stock.uninstall()
    up, down = stock.migrations.scripts["st_1"]
    stock.migrations.scripts["st_1"] = (up + "ALTER TABLE stock_items ADD CONSTRAINT named CHECK (price < 1000);", down)

    with pytest.raises(RowsDoNotFit, match="they break named") as refusal:
        await stock.restore(backup)

    assert "99999.99" not in str(refusal.value)


async def test_a_dump_by_newer_tools_than_there_are_says_which_are_needed(stock):
    backup = await stock.uninstall()
    text = backup.manifest_path.read_text()
    backup.manifest_path.write_text(text.replace(f'"client_version": {backup.manifest.client_version}', '"client_version": 99'))

    with pytest.raises(ClientToolsTooOld, match="needs PostgreSQL client tools of version 99"):
        await stock.restore(backup)


async def test_an_installed_module_with_rows_is_refused(stock):
    async with stock.transaction() as conn:
        backup = await stock.dump(conn)
    before = await stock.everything()

    with pytest.raises(RowsPresent, match="holds 4 rows.*--replace"):
        await stock.restore(backup, present=present(stock), replace=False)

    assert await stock.everything() == before


async def test_replacing_backs_the_present_rows_up_first(only_first):
    stock = only_first
    before = await stock.everything()
    async with stock.transaction() as conn:
        backup = await stock.dump(conn)
    await stock.run(
        "UPDATE stock_items SET main_lot_id = NULL, name = 'changed'; DELETE FROM \"Stock Lots\"; SELECT nextval('stock_items_legacy_seq')"
    )
    changed = await stock.everything()

    restored = await stock.restore(backup, present=present(stock, "1.3.0"), replace=True)
    assert await stock.everything() == before

    assert restored.replaced.manifest.version == "1.3.0"
    await stock.restore(restored.replaced, present=present(stock), replace=True)
    assert await stock.everything() == changed


async def test_replacing_works_across_revisions(stock):
    backup = await stock.uninstall()
    await stock.restore(backup)
    assert stock.migrations.applied == ["st_1", "st_2"]

    restored = await stock.restore(backup, present=present(stock), replace=True)

    assert restored.replaced.manifest.revisions == ("st_1", "st_2")
    assert await stock.rows("SELECT count(*)::int, min(note) FROM stock_items") == [(3, "none")]


async def test_untouched_seeds_count_as_empty_and_a_touched_one_does_not(only_first):
    stock = only_first
    backup = await stock.uninstall()
    async with stock.transaction() as conn:
        await stock.migrations.upgrade_to(conn, ["st_1"])
    await stock.run("DELETE FROM stock_empty")
    await stock.run(SEED)

    restored = await stock.restore(backup, present=present(stock))
    assert restored.replaced is None
    assert await stock.rows("SELECT count(*)::int FROM stock_items") == [(3,)]

    with pytest.raises(RowsPresent, match="holds 5 rows"):
        await stock.restore(backup, present=present(stock))


async def test_a_seed_somebody_changed_is_a_row_to_keep(only_first):
    stock = only_first
    backup = await stock.uninstall()
    async with stock.transaction() as conn:
        await stock.migrations.upgrade_to(conn, ["st_1"])
    await stock.run("DELETE FROM stock_empty")
    await stock.run(SEED)
    await stock.run("UPDATE stock_items SET price = 3")

    with pytest.raises(RowsPresent, match="holds 1 row "):
        await stock.restore(backup, present=present(stock))


async def test_rows_of_dependents_keep_their_foreign_key_and_are_named_if_they_would_lose_it(only_first):
    stock = only_first
    async with stock.transaction() as conn:
        backup = await stock.dump(conn)
    await stock.run(
        "CREATE TABLE usage (id uuid PRIMARY KEY, item_id uuid REFERENCES stock_items (id) ON DELETE CASCADE);"
        "INSERT INTO usage VALUES ('eeeeeeee-0000-0000-0000-000000000001', 'aaaaaaaa-0000-0000-0000-000000000003')"
    )

    await stock.restore(backup, present=present(stock), replace=True)
    assert await stock.rows("SELECT count(*)::int FROM usage") == [(1,)]
    assert await stock.rows("SELECT count(*)::int FROM pg_constraint WHERE conrelid = 'usage'::regclass AND contype = 'f'") == [(1,)]

    await stock.run(
        f"INSERT INTO stock_items (id, clinic_id, name) VALUES ('aaaaaaaa-0000-0000-0000-000000000009', '{CLINIC}', 'later');"
        "INSERT INTO usage VALUES ('eeeeeeee-0000-0000-0000-000000000002', 'aaaaaaaa-0000-0000-0000-000000000009')"
    )
    with pytest.raises(
        ReferenceLost, match="usage.item_id=aaaaaaaa-0000-0000-0000-000000000009 of row eeeeeeee-0000-0000-0000-000000000002"
    ):
        await stock.restore(backup, present=present(stock), replace=True)
    assert await stock.rows("SELECT count(*)::int FROM usage") == [(2,)]


async def test_a_refused_replacement_leaves_sequences_alone_too(only_first):
    stock = only_first
    async with stock.transaction() as conn:
        backup = await stock.dump(conn)
    await stock.run("SELECT setval('stock_items_legacy_seq', 500)")
    await stock.run("CREATE TABLE usage (id uuid PRIMARY KEY, item_id uuid REFERENCES stock_items (id))")
    await stock.run(
        f"INSERT INTO stock_items (id, clinic_id, name) VALUES ('aaaaaaaa-0000-0000-0000-000000000009', '{CLINIC}', 'later');"
        "INSERT INTO usage VALUES (gen_random_uuid(), 'aaaaaaaa-0000-0000-0000-000000000009')"
    )

    with pytest.raises(ReferenceLost):
        await stock.restore(backup, present=present(stock), replace=True)

    assert await stock.rows("SELECT last_value::int FROM stock_items_legacy_seq") == [(501,)]


async def test_seeds_in_another_modules_table_come_back(stock):
    await stock.run(
        "CREATE TABLE catalog (id uuid PRIMARY KEY, code text UNIQUE, price numeric, details jsonb);"
        "INSERT INTO catalog VALUES ('cccccccc-0000-0000-0000-000000000001', 'A', 1.10, '{\"x\": 1.10}');"
        "INSERT INTO core_external_id (module_name, xml_id, table_name, record_id)"
        " VALUES ('stock', 'stock.service', 'catalog', 'cccccccc-0000-0000-0000-000000000001')"
    )
    backup = await stock.uninstall()
    await stock.run("DELETE FROM catalog; ALTER TABLE catalog ADD COLUMN later text DEFAULT 'd'")

    await stock.restore(backup)

    assert await stock.rows("SELECT code, price::text, details::text, later FROM catalog") == [("A", "1.10", '{"x": 1.10}', "d")]


async def test_seeds_for_a_table_that_is_gone_are_refused(stock):
    await stock.run(
        "CREATE TABLE catalog (id uuid PRIMARY KEY); INSERT INTO catalog VALUES ('cccccccc-0000-0000-0000-000000000001');"
        "INSERT INTO core_external_id (module_name, xml_id, table_name, record_id)"
        " VALUES ('stock', 'stock.service', 'catalog', 'cccccccc-0000-0000-0000-000000000001')"
    )
    backup = await stock.uninstall()
    await stock.run("DROP TABLE catalog")

    with pytest.raises(RestoreRefused, match="a seed in the table catalog"):
        await stock.restore(backup)


async def test_a_module_without_tables_is_restored_from_its_manifest(stock):
    async with stock.transaction() as conn:
        backup = await stock.dump(conn, tables=[], revisions=[])
    await stock.run("DELETE FROM core_external_id")
    stock.migrations.scripts = {}
    stock.migrations.applied = []

    await stock.restore(backup)

    assert await stock.rows("SELECT xml_id FROM core_external_id ORDER BY 1") == [("stock.first",), ("stock.gone",)]


async def test_an_uninstall_that_failed_after_its_dump_can_be_repeated(stock):
    with pytest.raises(RuntimeError, match="killed"):
        async with stock.transaction() as conn:
            await stock.dump(conn)
            raise RuntimeError("killed before the tables were dropped")

    backup = await stock.uninstall()

    assert list_backups(stock.storage, "stock")[0].manifest.tables == backup.manifest.tables
