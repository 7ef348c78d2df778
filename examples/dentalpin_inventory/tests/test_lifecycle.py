"""Installing, upgrading and removing the module (guide §9, "Round-trip uninstall")."""

import pytest


async def tables(operations):
    rows = await operations.fetch("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
    return {name for (name,) in rows}


async def heads(operations):
    return {name for (name,) in await operations.fetch("SELECT version_num FROM alembic_version")}


SEEDS = """
    SELECT x.xml_id, i.code, c.name, i.per_appointment::int
    FROM core_external_id x JOIN inventory_items i ON i.id = x.record_id
    JOIN inventory_categories c ON c.clinic_id = i.clinic_id AND c.id = i.category_id
    ORDER BY i.clinic_id
"""


async def test_the_printed_seeds_load_once_per_clinic_with_their_reference(operations):
    await operations.restart()

    assert await operations.fetch(SEEDS) == [("inventory.item_mask", "MASK-001", "Consumables", 1)] * 2


async def test_the_doctor_has_no_error(operations):
    assert [finding.message for finding in await operations.doctor() if finding.severity == "error"] == []


async def test_removing_and_reinstalling_brings_tables_and_seeds_back(operations):
    present = await tables(operations)
    await operations.fetch("INSERT INTO inventory_items (clinic_id, code, name) SELECT id, 'X', 'Widget' FROM clinics")

    await operations.uninstall("inventory")

    assert present - await tables(operations) == {"inventory_items", "inventory_categories", "inventory_stock_movements"}
    assert "inv_0002" not in await heads(operations)
    assert await operations.fetch("SELECT 1 FROM core_external_id WHERE module_name = 'inventory'") == []
    assert any(file.stat().st_size for file in (operations.storage / "backups").rglob("*") if file.is_file())

    await operations.install("inventory")

    assert await tables(operations) == present
    assert "inv_0002" in await heads(operations)
    assert await operations.fetch(SEEDS) == [("inventory.item_mask", "MASK-001", "Consumables", 1)] * 2


@pytest.fixture
def step(operations):
    """Runs one function of a migration file as the owner, and commits it."""
    import importlib.util
    from pathlib import Path

    import dentalpin_inventory
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from app.database import sqlalchemy_url
    from sqlalchemy.ext.asyncio import create_async_engine

    async def run(name, direction):
        [file] = (Path(dentalpin_inventory.__file__).parent / "migrations" / "versions").glob(f"{name}_*.py")
        spec = importlib.util.spec_from_file_location(name, file)
        migration = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(migration)

        def work(connection):
            with Operations.context(MigrationContext.configure(connection)):
                getattr(migration, direction)()

        engine = create_async_engine(sqlalchemy_url(operations.tenant.owner_url))
        async with engine.begin() as connection:
            await connection.run_sync(work)
        await engine.dispose()

    return run


async def test_items_of_the_first_version_survive_the_further_migration(operations, step):
    await step("inv_0002", "downgrade")
    await operations.fetch("DELETE FROM inventory_items")
    await operations.fetch(
        "INSERT INTO inventory_items (id, clinic_id, code, name, metadata_, created_at) "
        "SELECT gen_random_uuid(), c.id, v.code, v.name, NULL, NULL FROM clinics c, "
        "(VALUES ('X', 'One'), ('X', 'Two'), (NULL, NULL)) AS v (code, name)"
    )

    await step("inv_0002", "upgrade")

    rows = await operations.fetch("SELECT clinic_id, code, name, metadata_::text, created_at IS NOT NULL FROM inventory_items")
    assert len(rows) == 6
    assert len({(clinic, code) for clinic, code, *_ in rows}) == 6
    assert {row[3:] for row in rows} == {("{}", True)}
