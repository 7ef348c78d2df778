"""A platform's revision decides the module set: dependencies first, silence removes only what came by a revision."""

import json

import pytest

from tests.support.packages import drop, table


@pytest.fixture
def platform(runtime):
    """Issues revisions as the boot records them, and boots under the newest."""

    async def issue(*modules, required=(), removals=True):
        runtime.generation = (runtime.generation or 0) + 1
        document = {
            "modules": [{"name": name, "version": "1.0.0"} for name in modules],
            "compliance": {"obligations": [{"id": name, "status": "required"} for name in required]},
            "platform": {"url": "https://platform.example"},
        }
        await runtime.sql.execute(
            "INSERT INTO core_revision (generation, identity, effect, document) VALUES ($1, 'sha256:i', 'sha256:e', $2)",
            runtime.generation,
            json.dumps(document),
        )
        return await runtime.boot(removals=removals)

    return issue


def packages(site):
    site.add("base").with_table("base_items")
    site.add("stock", depends=["base"]).revision(
        "stock_0001", table("stock_items", 'sa.Column("base", sa.Uuid, sa.ForeignKey("base_items.id"))'), downgrade=[drop("stock_items")]
    )


async def test_the_modules_of_a_revision_are_installed_at_the_same_boot(runtime, site, platform):
    packages(site)

    report = await platform("base", "stock")

    assert report.ok
    assert await runtime.states() == {"base": "installed", "stock": "installed"}
    assert await runtime.sql.fetchval("SELECT count(*) FROM core_module WHERE by_generation = 1") == 2


async def test_what_a_revision_no_longer_names_is_removed_in_reverse_order(runtime, site, platform):
    packages(site)
    await platform("base", "stock")

    report = await platform()

    assert report.ok, report
    assert await runtime.states() == {"base": "uninstalled", "stock": "uninstalled"}
    assert not {"base_items", "stock_items"} & await runtime.tables()


async def test_auto_install_does_not_count_under_a_revision(runtime, site, platform):
    site.add("eager", auto_install=True)

    await platform()

    assert await runtime.states() == {"eager": "uninstalled"}


async def test_auto_install_counts_on_an_empty_stand_alone_database_with_seeds_and_hooks_and_only_there(runtime, site):
    site.add("needed").with_table("needed_items")
    site.add("eager", auto_install=True, depends=["needed"]).with_table("eager_items")

    await runtime.boot()

    assert await runtime.states() == {"eager": "installed", "needed": "installed"}
    assert len(await runtime.trail("eager")) == 8
    site.add("late", auto_install=True)
    await runtime.boot()
    assert (await runtime.states())["late"] == "uninstalled"


async def test_silence_does_not_remove_what_a_person_installed(runtime, site, platform):
    packages(site)
    await runtime.install("base")

    await platform()

    assert (await runtime.states())["base"] == "installed"


async def test_a_module_that_is_not_in_this_release_is_said_to_be_missing(runtime, site, platform):
    packages(site)

    report = await platform("base", "absent")

    assert not report.ok
    assert await runtime.states() == {"absent": "to_install", "base": "installed", "stock": "uninstalled"}
    assert "its package is not installed here" in await runtime.error("absent")


async def test_a_module_the_law_asks_for_stays(runtime, site, platform):
    site.add("fiscal", fulfils=["es-verifactu"])
    await platform("fiscal", required=["es-verifactu"])

    await platform(required=["es-verifactu"])

    assert (await runtime.states())["fiscal"] == "installed"
    assert "es-verifactu" in await runtime.error("fiscal")


async def test_a_module_that_is_not_removable_stays_and_so_does_what_it_needs(runtime, site, platform):
    site.add("base", removable=True)
    site.add("fixed", removable=False, depends=["base"])
    await platform("base", "fixed")

    await platform()

    assert await runtime.states() == {"base": "installed", "fixed": "installed"}
    assert "not removable" in await runtime.error("fixed")
    assert "needed by fixed" in await runtime.error("base")


async def test_a_removal_is_withdrawn_when_the_next_revision_names_the_module_again(runtime, site, platform):
    packages(site)
    await platform("base")
    await platform(removals=False)
    assert (await runtime.states())["base"] == "to_remove"

    report = await platform("base")

    assert report.ok
    assert (await runtime.states())["base"] == "installed"
    assert [entry for entry in await runtime.trail("base") if entry[0] == "uninstall"] == []


async def test_a_refused_removal_is_not_tried_again_at_every_boot(runtime, site, platform):
    packages(site)
    await platform("base")
    await runtime.add_clinic()
    await runtime.sql.execute("CREATE TABLE guest (base uuid REFERENCES base_items (id))")
    assert (await platform()).modules[0].outcome == "refused"

    report = await runtime.boot(removals=True)

    assert (await runtime.states())["base"] == "installed"
    assert report.ok
    assert not report.modules[0].as_asked
    await runtime.sql.execute("DROP TABLE guest")
    assert (await platform()).ok
    assert (await runtime.states())["base"] == "uninstalled"
