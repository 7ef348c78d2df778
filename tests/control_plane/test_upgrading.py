"""The platform itself is upgraded: its chart's hook migrates while the version before goes on, and may be brought back."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from control_plane import machines
from control_plane.database import sqlalchemy_url
from control_plane.migrations import configuration, migrate
from tests.support.charts import only, render

VERSIONS = Path(__file__).parents[2] / "control_plane" / "migrations" / "versions"
FIRST_RELEASED = 17
"""From this migration on there are platforms that run the version before it."""


@pytest.fixture
async def before(tenant_database):
    """An empty database's address, and how it is brought to an earlier revision."""
    url = tenant_database.owner_url

    async def before(revision):
        engine = create_async_engine(sqlalchemy_url(url), poolclass=NullPool)
        async with engine.begin() as connection:
            await connection.run_sync(lambda one: command.upgrade(configuration(one), revision))
        await engine.dispose()
        return url

    return before


def hook(url):
    """The chart's Job, as it stands there, on this machine."""
    job = only(render("control-plane"), "Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    told = {"DATABASE_URL": url, "DENTALPIN_DATA": "/tmp"}
    assert {one["name"] for one in container["env"]} == told.keys()
    # The image's entry point is `python -m`.
    program = [sys.executable, "-m", *container["args"]]
    return subprocess.run(program, env=told | {"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=120)


async def asked(url, query):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def newest_two():
    script = ScriptDirectory.from_config(configuration())
    head = script.get_current_head()
    return str(script.get_revision(head).down_revision), head


async def test_the_charts_hook_brings_the_version_before_up_to_this_one(before):
    older, newest = newest_two()
    url = await before(older)
    ended = hook(url)
    assert ended.returncode == 0, ended.stderr
    assert await asked(url, "SELECT version_num FROM alembic_version") == newest
    again = hook(url)
    assert again.returncode == 0, "a hook that is tried again changes nothing"


async def test_a_migration_that_fails_leaves_the_version_before_as_it_was(before):
    older, _ = newest_two()
    url = await before(older)
    connection = await asyncpg.connect(url)
    # What the newest migration adds is there already: as after somebody's own change by hand.
    await connection.execute("ALTER TABLE alembic_version ADD CONSTRAINT no_other CHECK (version_num = '" + older + "')")
    tables = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public'"
    columns = await connection.fetchval(tables)
    ended = hook(url)
    assert ended.returncode != 0
    assert "no_other" in ended.stderr
    assert await connection.fetchval(tables) == columns, "it is rolled back whole"
    await connection.close()


async def test_the_version_before_may_still_do_what_this_one_no_longer_does(platform_database, monkeypatch):
    url = platform_database.owner_url
    await migrate(url)
    allowed = "SELECT count(*) FROM state_transition WHERE machine = 'tenant' AND source = 'active' AND target = 'changing'"
    retired = "SELECT count(*) FROM state_transition WHERE retired"
    assert await asked(url, allowed) == 1

    class Fewer:
        def pairs(self):
            return [("active", "restoring")]

    monkeypatch.setitem(machines.MACHINES, "tenant", Fewer())
    await migrate(url)
    assert await asked(url, allowed) == 1, "its processes go on while the hook runs, and may be brought back"
    first = await asked(url, retired)
    await migrate(url)
    assert (await asked(url, retired), await asked(url, allowed)) == (first, 1), "the same version again changes nothing"

    class Other:
        def pairs(self):
            return [("active", "restoring"), ("restoring", "active")]

    monkeypatch.setitem(machines.MACHINES, "tenant", Other())
    await migrate(url)
    assert await asked(url, allowed) == 0, "two versions back is another matter"


def added_without_default(tree):
    """Columns that the version before would not know to fill in."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_column"):
        column = call.args[1]
        given = {one.arg: one.value for one in column.keywords}
        if getattr(given.get("nullable"), "value", True) is False and "server_default" not in given:
            yield ast.literal_eval(column.args[0])


def taken_away(tree):
    (upgrade,) = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "upgrade"]
    for call in (node for node in ast.walk(upgrade) if isinstance(node, ast.Call)):
        if getattr(call.func, "attr", "") in ("drop_column", "drop_table", "rename_table"):
            yield ast.unparse(call)


@pytest.mark.parametrize("file", sorted(file.name for file in VERSIONS.glob("[0-9]*.py") if int(file.name[:4]) >= FIRST_RELEASED))
def test_a_migration_suits_the_version_before_it(file):
    tree = ast.parse((VERSIONS / file).read_text())
    assert list(added_without_default(tree)) == [], "add it with a default, or nullable; enforce it one version later"
    assert list(taken_away(tree)) == [], "stop using it first; take it away one version later"
