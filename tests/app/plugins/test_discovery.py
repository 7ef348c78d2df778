"""Discovery through entry points: cheap, tolerant of the broken, strict about names."""

import sys

from app.core.plugins.loader import discover_modules


def test_modules_are_found_without_importing_them(site):
    site.add("stock")

    found = site.discovered("stock")

    assert (found.name, found.distribution) == ("stock", "dentalpin-stock")
    assert found.package_path.name == "dp_stock"
    assert "dp_stock" not in sys.modules


def test_a_name_claimed_by_two_distributions_is_refused_to_both_and_both_are_named(site):
    site.add("stock", distribution="dentalpin-stock-one")
    site.add("stock", distribution="dentalpin-stock-two")

    found = site.discover()

    assert "stock" not in found
    assert "dentalpin-stock-one and dentalpin-stock-two" in str(found.errors["stock"])


def test_the_fingerprint_changes_with_an_edit_and_not_without(site):
    package = site.add("stock")
    before = site.discover().fingerprint
    assert site.discover().fingerprint == before

    package.file("migrations/versions/stock_0001.py", "revision = 'stock_0001'")

    assert site.discover().fingerprint != before


def test_the_official_modules_are_found_in_this_installation():
    assert {"patients", "agenda"} <= {module.name for module in discover_modules()}


async def test_a_package_that_cannot_be_imported_harms_nobody_else(runtime, site):
    site.add("good").with_table("good_items")
    await runtime.boot()
    site.add("broken", imports="raise RuntimeError('at import')")

    await runtime.ask("good")
    report = await runtime.boot()

    assert report.ok
    assert await runtime.states() == {"good": "installed"}


async def test_a_migration_file_that_cannot_be_read_harms_nobody_else(runtime, site):
    site.add("good").with_table("good_items")
    site.add("broken").file("migrations/versions/broken_0001.py", "this is no python")

    report = await runtime.install("good", "broken")

    assert {module.name: str(module.outcome) for module in report.modules} == {"broken": "failed", "good": "done"}
    assert "cannot be read" in await runtime.error("broken")


async def test_a_revision_id_that_another_module_has_is_refused_to_the_newcomer(runtime, site):
    site.add("stock").with_table("stock_items")
    await runtime.install("stock")
    site.add("copy").revision("stock_0001", "pass")

    report = await runtime.install("copy")

    assert {module.name: str(module.outcome) for module in report.modules} == {"copy": "failed", "stock": "unchanged"}


async def test_members_of_a_cycle_stay_out_with_an_error_and_the_rest_runs(runtime, site):
    site.add("aaa", depends=["bbb"])
    site.add("bbb", depends=["aaa"])
    site.add("good")

    report = await runtime.install("aaa", "bbb", "good")

    assert {module.name: str(module.outcome) for module in report.modules} == {"aaa": "failed", "bbb": "failed", "good": "done"}
    assert "aaa → bbb → aaa" in await runtime.error("aaa")


async def test_a_missing_dependency_is_found_before_anything_runs(runtime, site):
    site.add("stock", depends=["nowhere"]).with_table("stock_items")

    report = await runtime.install("stock")

    assert "needs the module nowhere" in report.modules[0].reason
    assert await runtime.trail("stock") == []


async def test_a_module_for_a_newer_core_is_not_installed(runtime, site):
    site.add("stock", min_core_version="99.0.0")

    report = await runtime.install("stock")

    assert "needs core 99.0.0" in report.modules[0].reason
