"""Which tables a migration's SQL touches."""

import pytest

from app.core.plugins.checks.sql import scan


@pytest.mark.parametrize(
    ("sql", "made"),
    [
        ('CREATE TABLE IF NOT EXISTS public."Items" (id uuid)', {"Items"}),
        ("CREATE UNLOGGED TABLE items AS SELECT 1", {"items"}),
        ("CREATE OR REPLACE VIEW shown AS SELECT * FROM items", {"shown"}),
        ("CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM items", {"counted"}),
    ],
)
def test_what_is_made(sql, made):
    assert scan(sql).made == made


@pytest.mark.parametrize(
    ("sql", "changed"),
    [
        ("ALTER TABLE ONLY items ADD COLUMN a int", {"items"}),
        ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS ix ON items USING btree (a)", {"items"}),
        ("INSERT INTO items (a) SELECT a FROM other ON CONFLICT DO UPDATE SET a = 1", {"items"}),
        ("UPDATE items SET a = 1 FROM other WHERE other.id = items.id", {"items"}),
        ("DELETE FROM items USING other WHERE true", {"items"}),
        ("TRUNCATE TABLE items, other CASCADE", {"items", "other"}),
        ("LOCK TABLE items IN SHARE MODE", {"items"}),
        ("CREATE TRIGGER t BEFORE INSERT OR UPDATE ON items FOR EACH ROW EXECUTE FUNCTION f()", {"items"}),
        ("SELECT * FROM items FOR UPDATE", set()),
        ("ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c (id) ON UPDATE CASCADE ON DELETE SET NULL", {"a"}),
    ],
)
def test_what_is_changed(sql, changed):
    assert scan(sql).changed == changed


def test_foreign_keys_are_found_wherever_they_are_written():
    sql = """
        CREATE TABLE a (x uuid REFERENCES b (id), y uuid, FOREIGN KEY (y) REFERENCES "public"."c" (id));
        DO $do$ BEGIN EXECUTE 'ALTER TABLE a ADD FOREIGN KEY (z) REFERENCES d (id)'; END $do$;
    """

    assert scan(sql).references == {"b", "c", "d"}


def test_comments_and_plain_strings_are_not_read():
    sql = "-- REFERENCES a\n/* DROP TABLE b */ COMMENT ON TABLE c IS 'references d (id)'; SELECT 'DROP TABLE e'"

    touched = scan(sql)

    assert (touched.references, touched.dropped) == (set(), set())


def test_every_table_of_a_query_is_read():
    sql = "SELECT extract(year FROM o.day) FROM a AS x, b LEFT JOIN c USING (id) WHERE x.id IN (SELECT id FROM d)"

    assert {"a", "b", "c", "d"} <= scan(sql).read


def test_a_table_that_gets_another_name_is_known_by_both():
    assert scan("ALTER TABLE a RENAME TO b").renamed == {"a": "b"}


def test_what_goes_is_listed_one_by_one():
    assert scan("DROP TABLE IF EXISTS a, public.b CASCADE; DROP MATERIALIZED VIEW c").dropped == {"a", "b", "c"}
