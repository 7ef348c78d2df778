"""What doctor finds, each thing with its code, on a database where just that is wrong."""

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.plugins.checkup import kept
from app.core.plugins.doctor import examine
from app.database import sqlalchemy_url

MODEL = """
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column
from uuid import UUID
from app.database import Base


class Thing(Base):
    __tablename__ = "{table}"
    __table_args__ = {{"extend_existing": True}}
    id: Mapped[UUID] = mapped_column(sa.Uuid, primary_key=True, server_default=sa.text("gen_random_uuid()"))
    clinic_id: Mapped[UUID] = mapped_column(sa.ForeignKey("clinics.id"), index=True)
    {columns}
"""
MODELS = "def get_models(self):\n    return [Thing]\n"
NOTE = "note: Mapped[str | None] = mapped_column(sa.String(9))"


@pytest.fixture
def findings(runtime, site):
    """(code, severity, module) of what doctor finds, as the owner."""

    async def look():
        engine = create_async_engine(sqlalchemy_url(runtime.database.owner_url))
        async with engine.connect() as connection:
            found = await examine(connection, site.discover(), core_version="1.0.0")
        await engine.dispose()
        look.messages = {finding.code: finding.message for finding in found}
        return [(finding.code, str(finding.severity), finding.module) for finding in found]

    return look


async def test_the_core_and_a_sound_module_have_no_issue(runtime, site, findings):
    site.add("sound", imports=MODEL.format(table="sound_things", columns=NOTE), body=MODELS).with_table(
        "sound_things", 'sa.Column("note", sa.String(9))'
    )
    await runtime.install("sound")

    assert await findings() == []


async def test_a_model_the_migrations_do_not_follow_is_found(runtime, site, findings):
    site.add("ahead", imports=MODEL.format(table="ahead_things", columns=NOTE), body=MODELS).with_table("ahead_things")
    site.add("behind", imports=MODEL.format(table="behind_things", columns=""), body=MODELS).with_table(
        "behind_things", 'sa.Column("note", sa.String(9))'
    )
    await runtime.install("ahead", "behind")

    assert await findings() == [("SCHEMA_DRIFT", "error", "ahead"), ("SCHEMA_DRIFT", "warning", "behind")]
    assert "behind_things.note" in findings.messages["SCHEMA_DRIFT"]


async def test_tables_that_nobody_owns_or_that_are_gone_are_found(runtime, site, findings):
    site.add("stock").with_table("stock_items").revision("stock_0002", down="stock_0001")
    await runtime.install("stock")
    await runtime.sql.execute("CREATE TABLE stray (id int); DROP TABLE stock_items")
    await runtime.sql.execute("INSERT INTO core_table_owner (table_name, module_name, revision) VALUES ('stray', 'gone', 'x')")
    await runtime.sql.execute("CREATE TABLE lost (id int)")

    assert await findings() == [
        ("TABLE_LEFT_BEHIND", "error", "gone"),
        ("TABLE_MISSING", "error", "stock"),
        ("TABLE_WITHOUT_OWNER", "warning", ""),
    ]


async def test_events_that_were_given_up_or_wait_are_found(runtime, site, findings):
    site.add("stock").with_table("stock_items")
    await runtime.install("stock")
    event = await runtime.sql.fetchval("INSERT INTO core_event (name, entity, payload) VALUES ('a.b', '1', '{}') RETURNING id")
    await runtime.sql.execute(
        "INSERT INTO core_event_delivery (event_id, module_name, handler, entity, status) "
        "VALUES ($1, 'stock', 'one', '1', 'dead'), ($1, 'stock', 'two', '1', 'pending')",
        event,
    )

    assert await findings() == [("DEAD_LETTERS", "error", "stock")]
    await runtime.sql.execute("UPDATE core_module SET state = 'disabled', disabled_at = now()")
    assert await findings() == [("DEAD_LETTERS", "error", "stock"), ("EVENTS_WAIT", "warning", "stock")]


async def test_grants_that_reach_nobody_or_the_wrong_ones_are_found(runtime, site, findings):
    body = "def get_permissions(self):\n    return ['items.read', 'items.write']\n"
    site.add("stock", body=body, role_permissions={"admin": ["items.read"]}).with_table("stock_items")
    await runtime.install("stock")
    await runtime.add_clinic()
    await runtime.sql.execute("UPDATE roles SET granted = '[\"nowhere.*\"]' WHERE name = 'dentist'")
    await runtime.sql.execute("GRANT SELECT ON stock_items TO PUBLIC")

    assert await findings() == [
        ("FOREIGN_GRANT", "error", ""),
        ("GRANT_OF_NOTHING", "warning", ""),
        ("GRANTED_TO_NOBODY", "warning", "stock"),
    ]
    assert "stock.items.write" in findings.messages["GRANTED_TO_NOBODY"]
    assert "PUBLIC has SELECT on stock_items" in findings.messages["FOREIGN_GRANT"]


async def test_seeds_that_people_changed_are_found_and_left_alone(runtime, site, findings):
    site.add("stock", data_files=["data/seeds.yaml"]).with_table("stock_items", 'sa.Column("note", sa.String(9))').seeds(
        """
        - {xml_id: stock.first, table: stock_items, values: {note: one}}
        - {xml_id: stock.second, table: stock_items, values: {note: two}}
        - {xml_id: stock.own, table: stock_items, values: {note: three}, noupdate: true}
        """
    )
    await runtime.add_clinic("Sol")
    await runtime.add_clinic("Luna")
    await runtime.install("stock")
    assert await findings() == []
    await runtime.sql.execute("UPDATE stock_items SET note = 'mine' WHERE note IN ('one', 'three')")
    await runtime.sql.execute("DELETE FROM stock_items WHERE note = 'two'")
    before = await runtime.snapshot()

    assert await findings() == [("SEED_DELETED", "warning", "stock"), ("SEED_EDITED", "warning", "stock")]
    assert "stock.first of stock" in findings.messages["SEED_EDITED"]
    assert "stock.second of stock" in findings.messages["SEED_DELETED"]
    assert await runtime.snapshot() == before


async def test_a_module_that_rests_and_one_that_is_gone_are_found(runtime, site, findings):
    site.add("bad").revision("bad_0001", 'raise RuntimeError("no")')
    site.add("lost").with_table("lost_things")
    await runtime.install("bad", "lost")
    await runtime.sql.execute("UPDATE core_module SET attempts = 5 WHERE name = 'bad'")
    site.remove("lost")

    assert await findings() == [
        ("LAST_ERROR", "error", "bad"),
        ("RESTS", "error", "bad"),
        ("ORPHAN", "error", "lost"),
    ]


async def test_backups_that_would_not_restore_are_found_and_the_others_tried(runtime, site):
    columns = ('sa.Column("note", sa.String(9))',)
    site.add("stock").with_table("stock_items", *columns)
    clinic = await runtime.add_clinic()
    await runtime.install("stock")
    await runtime.sql.execute("INSERT INTO stock_items (clinic_id, note) VALUES ($1, 'one')", clinic)
    await runtime.uninstall("stock")
    folder = runtime.storage / "backups"
    [dump] = folder.glob("*.dump")
    before = await runtime.snapshot()

    async def codes():
        return [(finding.code, finding.module) for finding in await kept.backups(runtime.processor())]

    assert await codes() == []
    assert await runtime.snapshot() == before
    whole = dump.read_bytes()
    dump.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert await codes() == [("BACKUP_NOT_RESTORABLE", "stock")]
    dump.write_bytes(whole[:-9])
    assert await codes() == [("BACKUP_DAMAGED", "stock")]
    dump.write_bytes(whole)
    site.add("stock", version="2.0.0").revision("stock_new", down="0001")
    assert await codes() == [("BACKUP_NOT_RESTORABLE", "stock")]
    site.remove("stock")
    assert await codes() == [("BACKUP_WITHOUT_PACKAGE", "stock")]
