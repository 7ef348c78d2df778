"""A clinic's files out as a tar and back in."""

import os
import tarfile

import pytest

from control_plane.deployers.base import RuntimeRefused
from control_plane.deployers.local.files import packed, unpack


@pytest.fixture
def tenant(tmp_path):
    folder = tmp_path / "tenant"
    (folder / "storage" / "documents").mkdir(parents=True)
    (folder / "storage" / "documents" / "radiografía 1.png").write_bytes(os.urandom(3_000_000))
    (folder / "storage" / "empty").mkdir()
    (folder / "secrets").mkdir()
    (folder / "secrets" / "data.key").write_text("the key that seals")
    (folder / "secrets" / "owner.password").write_text("never leaves")
    return folder


@pytest.fixture
def another(tmp_path):
    folder = tmp_path / "another"
    (folder / "storage").mkdir(parents=True)
    (folder / "storage" / "later.txt").write_text("written since")
    return folder


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


async def test_what_is_packed_replaces_what_is_elsewhere(tenant, another):
    await unpack(another, packed(tenant))

    assert tree(another / "storage") == tree(tenant / "storage")
    assert (another / "secrets" / "data.key").read_text() == "the key that seals"
    assert not (another / "secrets" / "owner.password").exists()
    assert sorted(path.name for path in another.iterdir()) == ["secrets", "storage"]


async def test_content_that_breaks_off_leaves_what_was_there(tenant, another):
    async def breaks_off():
        async for piece in packed(tenant):
            yield piece
            raise ConnectionError("the store went away")

    with pytest.raises(ConnectionError):
        await unpack(another, breaks_off())

    assert tree(another / "storage") == {"later.txt": b"written since"}


async def test_killed_in_the_middle_it_is_done_again(tenant, another):
    (another / "storage").rename(another / "storage.old")
    (another / "storage.new").mkdir()
    (another / "storage.new" / "half").write_text("x")

    await unpack(another, packed(tenant))

    assert tree(another / "storage") == tree(tenant / "storage")
    assert sorted(path.name for path in another.iterdir()) == ["secrets", "storage"]


async def test_a_reader_that_leaves_early_leaves_no_thread_behind(tenant):
    content = packed(tenant)
    assert await anext(content)

    await content.aclose()


async def test_links_are_not_followed_out_of_the_clinics_folder(tenant, another, tmp_path):
    (tmp_path / "elsewhere").write_text("not the clinic's")
    (tenant / "storage" / "link").symlink_to(tmp_path / "elsewhere")

    await unpack(another, packed(tenant))

    assert not (another / "storage" / "link").exists()


async def test_an_archive_that_would_write_elsewhere_is_refused(another, tmp_path):
    file = tmp_path / "bad.tar"
    with tarfile.open(file, "w") as archive:
        archive.addfile(tarfile.TarInfo("../../outside"))

    async def content():
        yield file.read_bytes()

    with pytest.raises(RuntimeRefused):
        await unpack(another, content())

    assert tree(another / "storage") == {"later.txt": b"written since"}
    assert not (tmp_path.parent / "outside").exists()
