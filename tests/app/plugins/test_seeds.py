"""YAML seeds: once per clinic, never doubled, errors that say where and what to do."""

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.plugins.seeds import seed_clinic
from app.database import sqlalchemy_url
from tests.support.packages import drop, table

PER_CLINIC = """
- xml_id: stock.consumables
  table: stock_categories
  values: {name: "Consumables"}
- xml_id: stock.mask
  table: stock_items
  values:
    category_id: "$xmlref:stock.consumables"
    name: "Face mask"
    price: 12.50
    tags: ["a", "b,\\"c\\""]
    settings: {colour: blue, sizes: [1, 2]}
    since: 2026-01-31
"""


def stock(site, seeds, version="1.0.0", **manifest):
    package = site.add("stock", version=version, data_files=["data/seeds.yaml"], **manifest)
    package.revision(
        "stock_0001",
        table("stock_categories", 'sa.Column("name", sa.String(12), nullable=False)'),
        table(
            "stock_items",
            'sa.Column("category_id", sa.Uuid, sa.ForeignKey("stock_categories.id"))',
            'sa.Column("name", sa.String(50))',
            'sa.Column("price", sa.Numeric(10, 2))',
            'sa.Column("tags", sa.ARRAY(sa.Text))',
            'sa.Column("settings", sa.JSON)',
            'sa.Column("since", sa.Date)',
        ),
        table("stock_units", 'sa.Column("name", sa.String(50))', clinic=False),
        downgrade=[drop("stock_units"), drop("stock_items"), drop("stock_categories")],
    )
    return package.seeds(seeds)


async def rows(runtime, name):
    found = await runtime.sql.fetch(f'SELECT t.xmin::text, t::text AS row FROM "{name}" t ORDER BY 2')
    return [tuple(row) for row in found]


async def again(runtime):
    """Load the same files once more, as an upgrade does."""
    await runtime.ask("stock", "to_upgrade")
    assert (await runtime.boot()).ok


async def test_records_are_loaded_once_per_clinic_and_refer_within_it(runtime, site):
    sol, luna = await runtime.add_clinic("Sol"), await runtime.add_clinic("Luna")
    stock(site, PER_CLINIC)

    assert (await runtime.install("stock")).ok

    pairs = await runtime.sql.fetch(
        "SELECT i.clinic_id AS item, c.clinic_id AS category FROM stock_items i JOIN stock_categories c ON c.id = i.category_id"
    )
    assert {tuple(pair) for pair in pairs} == {(sol, sol), (luna, luna)}
    item = await runtime.sql.fetchrow("SELECT price::text, tags, settings->>'colour' AS colour, since::text FROM stock_items LIMIT 1")
    assert tuple(item) == ("12.50", ["a", 'b,"c"'], "blue", "2026-01-31")


async def test_loading_the_same_files_again_writes_nothing(runtime, site):
    await runtime.add_clinic()
    stock(site, PER_CLINIC)
    await runtime.install("stock")
    before = [await rows(runtime, name) for name in ("stock_categories", "stock_items", "core_external_id")]

    await again(runtime)

    assert [await rows(runtime, name) for name in ("stock_categories", "stock_items", "core_external_id")] == before


async def test_a_changed_record_is_updated_unless_it_says_noupdate(runtime, site):
    await runtime.add_clinic()
    record = "- xml_id: stock.{name}\n  table: stock_categories\n  noupdate: {noupdate}\n  values: {{name: {value}}}\n"
    before = record.format(name="x", noupdate="false", value="Old") + record.format(name="y", noupdate="true", value="Old")
    after = before.replace("Old", "New")
    stock(site, before)
    await runtime.install("stock")
    stock(site, after, "1.0.1")

    assert (await runtime.boot()).ok
    assert [row[0] for row in await runtime.sql.fetch("SELECT name FROM stock_categories ORDER BY name")] == ["New", "Old"]


async def test_shared_records_are_loaded_once_and_without_a_clinic(runtime, site):
    await runtime.add_clinic("Sol")
    await runtime.add_clinic("Luna")
    stock(site, "- xml_id: stock.piece\n  table: stock_units\n  values: {name: piece}\n")

    assert (await runtime.install("stock")).ok
    assert await runtime.sql.fetchval("SELECT count(*) FROM stock_units") == 1
    assert await runtime.sql.fetchval("SELECT clinic_id FROM core_external_id") is None


async def test_a_clinic_created_later_gets_its_records_under_the_request_role(runtime, site):
    await runtime.add_clinic("Sol")
    stock(site, PER_CLINIC)
    await runtime.install("stock")
    luna = await runtime.add_clinic("Luna")
    engine = create_async_engine(sqlalchemy_url(runtime.database.app_url))
    async with engine.begin() as connection:
        await connection.exec_driver_sql("SELECT set_config('app.clinic_id', $1, true)", (str(luna),))
        await seed_clinic(connection, luna, discovery=runtime.site.discover())
        await seed_clinic(connection, luna, discovery=runtime.site.discover())
    await engine.dispose()

    assert await runtime.sql.fetchval("SELECT count(*) FROM stock_items WHERE clinic_id = $1", luna) == 1
    assert await runtime.sql.fetchval("SELECT count(*) FROM stock_items") == 2


async def test_records_of_a_dependency_can_be_referred_to(runtime, site):
    await runtime.add_clinic()
    base = site.add("base", data_files=["data/seeds.yaml"]).with_table("base_notes", 'sa.Column("name", sa.String(9))')
    base.seeds("- xml_id: base.default\n  table: base_notes\n  values: {name: x}\n")
    user = site.add("user", depends=["base"], data_files=["data/seeds.yaml"])
    user.with_table("user_notes", 'sa.Column("note", sa.Uuid, sa.ForeignKey("base_notes.id"))')
    user.seeds('- xml_id: user.one\n  table: user_notes\n  values: {note: "$xmlref:base.default"}\n')

    assert (await runtime.install("base", "user")).ok


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- xml_id: [unclosed", ["data/seeds.yaml", "line 1", "Correct the file"]),
        ("xml_id: stock.a", ["a seed file is a list"]),
        ("- xml_id: stock.a\n  table: stock_categories\n", ["entry 1 (stock.a)", "values"]),
        ("- xml_id: stock.a\n  table: stock_categories\n  values: {}\n  nope: 1\n", ["nope"]),
        ("- xml_id: other.a\n  table: stock_categories\n  values: {name: a}\n", ["stock.a"]),
        (
            "- xml_id: stock.a\n  table: nowhere\n  values: {name: a}\n",
            ["entry 1 (stock.a)", "no module table 'nowhere'"],
        ),
        ("- xml_id: stock.a\n  table: users\n  values: {email: a}\n", ["no module table 'users'"]),
        ("- xml_id: stock.a\n  table: stock_categories\n  values: {colour: a}\n", ["no column 'colour'", "name"]),
        ("- xml_id: stock.a\n  table: stock_categories\n  values: {id: 1}\n", ["the loader supplies it"]),
        ("- xml_id: stock.a\n  table: stock_categories\n  values: {name: thirteen chars}\n", ["too long", "Correct `values`"]),
        ('- xml_id: stock.a\n  table: stock_items\n  values: {category_id: "$xmlref:stock.z"}\n', ["$xmlref:stock.z is not there"]),
        ("- {xml_id: stock.a, table: stock_units, values: {}}\n" * 2, ["stands in data/seeds.yaml, entry 1 already"]),
    ],
)
async def test_a_bad_file_is_refused_with_its_place_and_nothing_is_kept(runtime, site, text, says):
    await runtime.add_clinic()
    stock(site, text)

    report = await runtime.install("stock")

    reason = report.modules[0].reason
    assert all(part in reason for part in says), reason
    assert "stock_categories" not in await runtime.tables()


async def test_a_table_of_a_module_that_is_no_dependency_is_refused(runtime, site):
    await runtime.add_clinic()
    site.add("base").with_table("base_notes", 'sa.Column("name", sa.String(9))')
    stock(site, "- xml_id: stock.a\n  table: base_notes\n  values: {name: x}\n")

    report = await runtime.install("base", "stock")

    assert "add base to `depends`" in next(module.reason for module in report.modules if module.name == "stock")


async def test_a_file_the_package_lacks_or_that_lies_outside_it_is_refused(runtime, site):
    site.add("lacking", data_files=["data/none.yaml"])
    site.add("outside", data_files=["../../secret.yaml"])

    report = await runtime.install("lacking", "outside")

    assert "add it to the package data" in report.modules[0].reason
    assert "inside the module's package" in report.modules[1].reason
