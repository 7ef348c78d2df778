"""`dentalpin modules restore`: through the processor, with real packages, into the books."""

import asyncio
import json
import os
import sys
from uuid import uuid4

import pytest

from app.core.plugins.backup import BackupNotFound, RestoreRefused, RevisionMissing, RowsPresent, list_backups
from app.core.plugins.errors import DependencyMissing, HookFailed, ManagedElsewhere, UnknownModule
from app.core.plugins.restoring import restore
from app.testing.snapshots import BOOKS, rows_of, schema_of
from tests.support.packages import drop, table

SEEDS = """
- xml_id: stock.category
  table: stock_items
  values: {name: Consumables}
"""
NAME = 'sa.Column("name", sa.String(50))'
# Says when a table was made, which a restore does again.
MOMENTS = BOOKS | {"core_table_owner"}


async def restored(runtime, name="stock", **choices):
    return await restore(runtime.processor(), name, managed=runtime.generation is not None, **choices)


def stock(site, version="1.0.0", **more):
    return site.add("stock", version=version, data_files=["data/seeds.yaml"], **more).with_table("stock_items", NAME).seeds(SEEDS)


async def rows(runtime, query="SELECT name FROM stock_items ORDER BY name"):
    return [row[0] for row in await runtime.sql.fetch(query)]


async def adopt(runtime, *modules, platform="https://platform.example"):
    """A platform's revision as boot records it."""
    await runtime.sql.execute(
        "INSERT INTO core_revision (generation, identity, effect, document) VALUES ($1, 'i', 'e', $2)",
        runtime.generation,
        json.dumps({"modules": [{"name": name} for name in modules], "compliance": {"obligations": []}, "platform": {"url": platform}}),
    )


@pytest.fixture
async def removed(runtime, site):
    """The module `stock` with a seed and a row of its own, uninstalled; what the database was before is kept."""
    stock(site)
    clinic = await runtime.add_clinic()
    await runtime.install("stock")
    await runtime.sql.execute("INSERT INTO stock_items (clinic_id, name) VALUES ($1, 'Gloves')", clinic)
    url = runtime.database.owner_url
    before = await schema_of(url), await rows_of(url, without=MOMENTS)
    assert (await runtime.uninstall("stock")).ok
    return before


async def test_an_uninstalled_module_comes_back_installed_with_equal_rows(runtime, removed):
    answer = await restored(runtime)

    assert await rows(runtime) == ["Consumables", "Gloves"]
    assert await runtime.states() == {"stock": "installed"}
    assert answer.requires_restart
    assert "2 rows" in answer.message
    url = runtime.database.owner_url
    assert (await schema_of(url), await rows_of(url, without=MOMENTS)) == removed


async def test_the_restored_tables_are_the_modules_isolated_and_on_its_branch(runtime, removed):
    await restored(runtime)

    assert await rows(runtime, "SELECT module_name FROM core_table_owner WHERE table_name = 'stock_items'") == ["stock"]
    assert await rows(runtime, "SELECT polname FROM pg_policy WHERE polrelid = 'stock_items'::regclass") == ["clinic_isolation"]
    assert await runtime.heads() == {"stock_0001"}


async def test_a_restored_module_boots_without_work_and_can_be_uninstalled_again(runtime, removed):
    await restored(runtime)

    report = await runtime.boot()
    assert report.ok
    assert not report.changed
    assert (await runtime.uninstall("stock")).ok
    assert len(list_backups(runtime.storage, "stock")) == 2


async def test_it_is_logged_like_every_operation(runtime, removed):
    await restored(runtime)

    trail = await runtime.trail("stock")
    assert [entry for entry in trail if entry[0] == "restore"] == [
        ("restore", step, status) for step in ("restore", "lifecycle", "finalize") for status in ("started", "completed")
    ]


async def test_a_newer_package_upgrades_from_the_backups_version_at_the_next_start(runtime, site, removed):
    seen = runtime.storage / "from_version"
    hook = f"async def post_upgrade(self, ctx, from_version):\n    open({str(seen)!r}, 'w').write(from_version)"
    package = stock(site, "1.1.0", body=hook)
    package.revision(
        "stock_0002", 'op.add_column("stock_items", sa.Column("note", sa.String(9), server_default="none"))',
        down="stock_0001", downgrade=['op.drop_column("stock_items", "note")'],
    )  # fmt: skip

    await restored(runtime)
    assert await runtime.states() == {"stock": "to_upgrade"}
    assert await rows(runtime, "SELECT DISTINCT note FROM stock_items") == ["none"]

    assert (await runtime.boot()).ok
    assert seen.read_text() == "1.0.0"
    assert await runtime.states() == {"stock": "installed"}
    assert await rows(runtime) == ["Consumables", "Gloves"]


async def test_a_package_without_the_dumped_revision_is_refused(runtime, site, removed):
    site.add("stock").revision("stock_new", table("stock_items", NAME), downgrade=[drop("stock_items")])

    with pytest.raises(RevisionMissing, match="stock_0001"):
        await restored(runtime)

    assert await runtime.states() == {"stock": "uninstalled"}
    assert "stock_items" not in await runtime.tables()


async def test_a_missing_dependency_is_named(runtime, site):
    site.add("base").with_table("base")
    site.add("stock", depends=["base"]).with_table("stock_items", NAME)
    await runtime.install("base", "stock")
    await runtime.uninstall("stock")
    await runtime.uninstall("base")

    with pytest.raises(DependencyMissing, match="stock needs the module base"):
        await restored(runtime)


async def test_unknown_modules_and_missing_backups_are_named(runtime, site):
    stock(site)
    await runtime.boot()

    with pytest.raises(UnknownModule, match="no module 'stocks'"):
        await restored(runtime, "stocks")
    with pytest.raises(BackupNotFound, match="no backup of stock"):
        await restored(runtime)
    with pytest.raises(BackupNotFound, match="'nope'"):
        await restored(runtime, file="nope")


async def test_a_reinstalled_module_takes_the_rows_while_it_holds_only_its_seeds(runtime, removed):
    await runtime.install("stock")
    assert await rows(runtime) == ["Consumables"]

    answer = await restored(runtime)

    assert await rows(runtime) == ["Consumables", "Gloves"]
    assert answer.replaced is None
    assert not answer.requires_restart
    assert await rows(runtime, "SELECT count(*) FROM core_external_id") == [1]


async def test_rows_that_are_there_are_replaced_only_if_asked_and_kept(runtime, removed):
    await runtime.install("stock")
    await runtime.sql.execute("INSERT INTO stock_items (clinic_id, name) SELECT id, 'Masks' FROM clinics")

    with pytest.raises(RowsPresent, match="--replace"):
        await restored(runtime)
    answer = await restored(runtime, replace=True)
    assert await rows(runtime) == ["Consumables", "Gloves"]

    await restored(runtime, file=answer.replaced["id"], replace=True)
    assert await rows(runtime) == ["Consumables", "Masks"]


async def test_a_module_being_removed_is_not_restored_into(runtime, removed):
    await runtime.install("stock")
    await runtime.ask("stock", "to_remove")

    with pytest.raises(RestoreRefused, match="being removed"):
        await restored(runtime)


async def test_managed_a_module_outside_the_revision_is_the_platforms(runtime, removed):
    runtime.generation = 3
    await adopt(runtime)

    with pytest.raises(ManagedElsewhere, match=r"https://platform\.example"):
        await restored(runtime)


async def test_managed_a_module_of_the_revision_is_restored_into_once_installed(runtime, removed):
    runtime.generation = 3
    await adopt(runtime, "stock")
    with pytest.raises(RestoreRefused, match="not installed yet. Restart"):
        await restored(runtime)
    await runtime.boot()
    assert await rows(runtime) == ["Consumables"]

    await restored(runtime)

    assert await rows(runtime) == ["Consumables", "Gloves"]


async def test_a_hook_that_fails_leaves_the_module_uninstalled(runtime, site, removed):
    stock(site, body="async def install(self, ctx):\n    raise RuntimeError('no')")

    with pytest.raises(HookFailed):
        await restored(runtime)

    assert await runtime.states() == {"stock": "uninstalled"}
    assert "stock_items" not in await runtime.tables()


async def test_a_revision_that_allows_no_transaction_is_restored_into_an_installed_module(runtime, site):
    package = site.add("stock").with_table("stock_items", NAME)
    package.revision(
        "stock_0002", 'op.create_index("ix_stock_name", "stock_items", ["name"], postgresql_concurrently=True)',
        down="stock_0001", downgrade=['op.drop_index("ix_stock_name")'], extra='transaction = "none"',
    )  # fmt: skip
    clinic = await runtime.add_clinic()
    await runtime.install("stock")
    await runtime.sql.execute("INSERT INTO stock_items (id, clinic_id, name) VALUES ($1, $2, 'Gloves')", uuid4(), clinic)
    await runtime.uninstall("stock")

    with pytest.raises(RestoreRefused, match="stock_0002.*Install stock first"):
        await restored(runtime)
    await runtime.install("stock")
    await restored(runtime)

    assert await rows(runtime) == ["Gloves"]


async def dentalpin(runtime, site, *arguments):
    """The command line as an operator runs it: status, output, errors."""
    environment = os.environ | {
        "OWNER_DATABASE_URL": runtime.database.owner_url,
        "DENTALPIN_STORAGE": str(runtime.storage),
        "PG_BINDIR": str(runtime.database.bindir),
        "PYTHONPATH": str(site.folder / "stock"),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.cli.main", "modules", "restore", *arguments,
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def test_the_command_lists_restores_and_refuses(runtime, site, removed):
    status, output, _ = await dentalpin(runtime, site, "stock", "--list", "--json")
    [listed] = json.loads(output)["data"]
    assert (status, listed["rows"]) == (0, 2)

    status, output, errors = await dentalpin(runtime, site, "stock", "--backup", listed["id"])
    assert (status, errors) == (0, "")
    assert f"stock 1.0.0 is restored from {listed['id']}: 2 rows." in output
    assert "Restart required" in output
    assert await rows(runtime) == ["Consumables", "Gloves"]

    status, output, errors = await dentalpin(runtime, site, "stock")
    assert (status, output) == (1, "")
    assert "[restore_rows_present]" in errors
    assert "only-for-tests" not in errors
