"""The same promises of a folder and of an S3 service."""

import os

import pytest

from control_plane.config import Settings
from control_plane.errors import TemporaryError
from control_plane.objects import ObjectMissing, ObjectStoreUnavailable, open_store
from control_plane.objects.store import PART_BYTES


async def pieces(*content):
    for piece in content:
        yield piece


async def read(store, key):
    return b"".join([piece async for piece in store.get(key)])


async def test_what_is_put_in_pieces_comes_back_whole(store):
    content = os.urandom(PART_BYTES + 77)

    stored = await store.put("backups/a/1", pieces(content[:1000], content[1000:]))

    assert stored.size == len(content)
    assert await read(store, "backups/a/1") == content


async def test_a_file_is_put_and_replaces_what_was_there(store, tmp_path):
    file = tmp_path / "archive"
    file.write_bytes(b"the second")
    await store.put("exports/1", pieces(b"the first, which is longer"))

    await store.put("exports/1", file)

    assert await read(store, "exports/1") == b"the second"


async def test_content_that_breaks_off_leaves_nothing_behind(store):
    async def breaks_off():
        yield os.urandom(PART_BYTES + 1)
        raise RuntimeError("the dump failed")

    with pytest.raises(RuntimeError, match="the dump failed"):
        await store.put("backups/a/2", breaks_off())

    with pytest.raises(ObjectMissing):
        await store.stat("backups/a/2")
    assert await store.list("backups/") == []


async def test_what_is_not_there_is_told_by_its_key(store):
    with pytest.raises(ObjectMissing, match="backups/none"):
        await read(store, "backups/none")


async def test_deleting_may_be_repeated(store):
    await store.put("backups/a/3", pieces(b"x"))

    await store.delete("backups/a/3")
    await store.delete("backups/a/3")

    assert await store.list("backups/") == []


async def test_a_prefix_lists_what_is_under_it(store):
    for key in ("backups/b/2", "backups/b/1", "backups/c/1"):
        await store.put(key, pieces(key.encode()))

    assert [(one.key, one.size) for one in await store.list("backups/b/")] == [("backups/b/1", 11), ("backups/b/2", 11)]


async def test_a_key_cannot_leave_the_folder(tmp_path):
    store = open_store(Settings(database_url="postgresql://nowhere", data=tmp_path / "data"))

    with pytest.raises(ValueError, match="illegal"):
        await store.put("../outside", pieces(b"x"))


async def test_a_service_that_is_away_is_a_matter_of_time(s3_settings, monkeypatch):
    monkeypatch.setattr("control_plane.objects.store.RETRY_SECONDS", 0)
    store = open_store(s3_settings.model_copy(update={"object_store_endpoint": "http://127.0.0.1:9"}))

    with pytest.raises(ObjectStoreUnavailable) as refused:
        await store.stat("backups/a/1")

    assert isinstance(refused.value, TemporaryError)


def test_a_store_nobody_knows_is_refused_at_the_start(tmp_path):
    with pytest.raises(ValueError, match=r"file:///a/folder or s3://bucket"):
        open_store(Settings(database_url="postgresql://nowhere", data=tmp_path, object_store="ftp://somewhere"))
