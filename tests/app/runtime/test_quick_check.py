import json
import sys
from pathlib import Path

import asyncpg
import pytest

from app.core.runtime.errors import DatabaseUnreachable
from app.core.runtime.fingerprint import fingerprint
from app.core.runtime.quick_check import nothing_to_do


@pytest.fixture
async def owner(core_schema):
    connection = await asyncpg.connect(core_schema.owner_url)
    yield connection
    await connection.close()


async def settle(owner, identity):
    await owner.execute("INSERT INTO core_setting (key, value) VALUES ('settled', $1)", json.dumps({"fingerprint": fingerprint(identity)}))


async def test_an_empty_database_has_everything_to_do(tenant_database):
    assert not await nothing_to_do(tenant_database.app_url, None)


async def test_a_database_that_was_never_settled_has_something_to_do(core_schema):
    assert not await nothing_to_do(core_schema.app_url, None)


async def test_a_settled_database_has_nothing_to_do(core_schema, owner):
    await settle(owner, "sha256:one")

    assert await nothing_to_do(core_schema.app_url, "sha256:one")


async def test_another_revision_is_something_to_do(core_schema, owner):
    await settle(owner, "sha256:one")

    assert not await nothing_to_do(core_schema.app_url, "sha256:two")


@pytest.mark.parametrize("state", ["to_install", "to_upgrade", "to_remove"])
async def test_a_pending_module_is_something_to_do(core_schema, owner, state):
    await settle(owner, None)
    await owner.execute("INSERT INTO core_module (name, state) VALUES ('agenda', $1)", state)

    assert not await nothing_to_do(core_schema.app_url, None)


async def test_a_refused_connection_is_explained_without_its_password(core_schema):
    wrong = core_schema.app_url.replace("only-for-tests", "s3cret")

    with pytest.raises(DatabaseUnreachable) as refusal:
        await nothing_to_do(wrong, None)
    assert "s3cret" not in str(refusal.value)


def test_a_changed_package_changes_the_fingerprint(tmp_path, monkeypatch):
    metadata = tmp_path / "example-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[dentalpin.modules]\nexample = example_module:Example\n")
    package = tmp_path / "example_module"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('importing is not needed for a fingerprint')\n")
    before_it_was_there = fingerprint(None)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])

    installed = fingerprint(None)
    (package / "migrations").mkdir()
    (package / "migrations" / "m_0001.py").touch()
    changed = fingerprint(None)

    assert len({before_it_was_there, installed, changed}) == 3
    assert fingerprint(None) == changed


def test_bytecode_and_pages_do_not_change_the_fingerprint():
    before = fingerprint("x")
    cache = Path(__file__).parents[3] / "runtime" / "app" / "core" / "runtime" / "__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "made_by_a_test.pyc").touch()
    after = fingerprint("x")
    (cache / "made_by_a_test.pyc").unlink()

    assert before == after
