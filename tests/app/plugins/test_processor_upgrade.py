"""Upgrades, older packages, vanished packages, and migrations that ask for a transaction of their own."""

from tests.support.packages import drop, table

HOOK = """
async def post_upgrade(self, ctx, from_version):
    from sqlalchemy import text
    await ctx.db.execute(text("INSERT INTO stock_notes (text) VALUES (:text)"), {"text": f"{from_version} -> {ctx.version}"})
"""


def first(site, version="1.0.0", **manifest):
    return site.add("stock", version=version, **manifest).revision(
        "stock_0001",
        table("stock_items"),
        table("stock_notes", 'sa.Column("text", sa.String(50))', clinic=False),
        downgrade=[drop("stock_notes"), drop("stock_items")],
    )


async def test_a_newer_package_is_upgraded_at_the_next_boot_and_its_hook_learns_the_old_version(runtime, site):
    first(site)
    await runtime.install("stock")
    first(site, "1.1.0", body=HOOK).revision("stock_0002", table("stock_more"), down="stock_0001", downgrade=[drop("stock_more")])

    report = await runtime.boot()

    assert [(module.operation, module.outcome) for module in report.modules] == [("upgrade", "done")]
    assert await runtime.sql.fetchval("SELECT text FROM stock_notes") == "1.0.0 -> 1.1.0"
    assert tuple(await runtime.sql.fetchrow("SELECT version, applied_revision FROM core_module")) == ("1.1.0", "stock_0002")


async def test_a_head_that_is_not_applied_is_pending_without_a_new_version(runtime, site):
    first(site)
    await runtime.install("stock")
    first(site).revision("stock_0002", table("stock_more"), down="stock_0001")

    assert (await runtime.boot()).ok
    assert "stock_more" in await runtime.tables()


async def test_the_version_is_written_only_when_the_upgrade_is_done(runtime, site):
    first(site)
    await runtime.install("stock")
    first(site, "1.1.0").revision("stock_0002", 'raise RuntimeError("no")', down="stock_0001")

    report = await runtime.boot()

    assert not report.ok
    row = await runtime.sql.fetchrow("SELECT version, state, manifest_snapshot->>'version' FROM core_module")
    assert tuple(row)[:2] == ("1.0.0", "to_upgrade")
    first(site)
    assert (await runtime.boot()).ok
    assert (await runtime.states())["stock"] == "installed"


async def test_an_older_package_leaves_the_module_as_it_is_and_says_so(runtime, site):
    first(site, "1.1.0").revision("stock_0002", table("stock_more"), down="stock_0001", downgrade=[drop("stock_more")])
    await runtime.install("stock")
    first(site, "1.0.0")

    report = await runtime.boot()

    assert report.modules[0].outcome == "older"
    assert (await runtime.states())["stock"] == "installed"
    assert "stock_more" in await runtime.tables()


async def test_a_vanished_package_does_not_stop_boot_nor_the_others(runtime, site):
    first(site)
    site.add("other").with_table("other_items")
    await runtime.install("stock")
    site.remove("stock")
    await runtime.ask("other")

    report = await runtime.boot()

    assert {module.name: module.outcome for module in report.modules} == {"stock": "orphan", "other": "done"}
    assert "stock_items" in await runtime.tables()
    assert "usable here" in await runtime.error("stock")
    first(site)
    assert (await runtime.boot()).ok
    assert await runtime.error("stock") is None
    assert (await runtime.uninstall("stock")).ok
    assert await runtime.heads() == {"other_0001"}


async def test_a_migration_may_not_touch_the_tables_of_others(runtime, site):
    site.add("other").with_table("other_items")
    await runtime.install("other")
    site.add("rude", depends=["other"]).revision("rude_0001", 'op.add_column("other_items", sa.Column("x", sa.Integer))')

    report = await runtime.install("rude")

    assert "other_items" in next(module.reason for module in report.modules if module.name == "rude")
    columns = await runtime.sql.fetch("SELECT column_name FROM information_schema.columns WHERE table_name = 'other_items'")
    assert {row[0] for row in columns} == {"id", "clinic_id"}


async def test_a_foreign_key_to_a_module_that_is_no_dependency_is_refused(runtime, site):
    site.add("other").with_table("other_items")
    site.add("sly").revision("sly_0001", table("sly_items", 'sa.Column("other", sa.Uuid, sa.ForeignKey("other_items.id"))'))

    report = await runtime.install("other", "sly")

    assert "sly_items refers to other_items of other" in next(module.reason for module in report.modules if module.name == "sly")
    assert "sly_items" not in await runtime.tables()


async def test_a_new_enum_value_can_be_used_by_the_next_revision(runtime, site):
    package = first(site)
    package.revision("stock_0002", """op.execute("CREATE TYPE stock_kind AS ENUM ('a')")""", down="stock_0001")
    package.revision("stock_0003", """op.execute("ALTER TYPE stock_kind ADD VALUE 'b'")""", down="stock_0002", extra='transaction = "own"')
    package.revision("stock_0004", """op.execute("CREATE TABLE stock_kinds AS SELECT 'b'::stock_kind AS kind")""", down="stock_0003")

    report = await runtime.install("stock")

    assert report.ok, report
    assert await runtime.sql.fetchval("SELECT kind::text FROM stock_kinds") == "b"


async def test_an_index_can_be_made_without_a_transaction_and_the_install_resumes_after_it(runtime, site):
    package = first(site).revision(
        "stock_0002",
        'op.create_index("ix_stock_notes_text", "stock_notes", ["text"], postgresql_concurrently=True, if_not_exists=True)',
        down="stock_0001",
        extra='transaction = "none"',
        downgrade=['op.drop_index("ix_stock_notes_text", table_name="stock_notes")'],
    )
    package.revision("stock_0003", 'raise RuntimeError("not yet")', down="stock_0002")
    await runtime.install("stock")
    assert await runtime.heads() == {"stock_0002"}
    package.revision("stock_0003", table("stock_more"), down="stock_0002", downgrade=[drop("stock_more")])

    report = await runtime.boot()

    assert report.ok, report
    assert await runtime.heads() == {"stock_0003"}
    assert (await runtime.uninstall("stock")).ok
    assert await runtime.heads() == set()
