"""The courier of a volume: a tar out, the same tar in, and nothing for anybody without the platform's word."""

import io
import json
import tarfile
from datetime import timedelta

import httpx2
import pytest

from app.config import Settings
from app.core.runtime.courier import create_courier
from dentalpin_kit import tokens
from tests.support.revisions import PLATFORM_KEY, TENANT_ID, revision_document


@pytest.fixture
def volume(tmp_path):
    def make(name, key=None):
        folder = tmp_path / name
        (folder / "storage" / "documents").mkdir(parents=True)
        (folder / "revision.json").write_text(json.dumps(revision_document("patients")))
        return Settings(storage=folder / "storage", revision_file=folder / "revision.json", data_key=key)

    return make


def asking(settings):
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(create_courier(settings)), base_url="http://courier")


def token(purpose="courier", audience=TENANT_ID, key=PLATFORM_KEY):
    return {"X-DentalPin-Authorization": "Bearer " + tokens.sign(key, audience=audience, purpose=purpose, lifetime=timedelta(seconds=60))}


async def test_what_comes_out_of_one_volume_is_what_lies_in_another_afterwards(volume):
    key = "0123456789abcdefghijklmnopqrstuvwxyz"
    first, second = volume("first", key), volume("second")
    (first.storage / "documents" / "x-ray.png").write_bytes(b"\x89PNG" * 70_000)
    (first.storage / ".archives").mkdir()
    (first.storage / ".archives" / "old.zip").write_bytes(b"never carried")
    (second.storage / "documents" / "stale.txt").write_text("goes")
    (second.storage / ".archives").mkdir()

    async with asking(first) as out, asking(second) as into:
        tar = (await out.get("/files", headers=token())).content
        answer = await into.put("/files", content=tar, headers=token())

    assert answer.json() == {"data": {"data_key": key}}
    with tarfile.open(fileobj=io.BytesIO(tar)) as read:
        assert set(read.getnames()) == {"data.key", "storage/documents", "storage/documents/x-ray.png"}
    assert (second.storage / "documents" / "x-ray.png").read_bytes() == b"\x89PNG" * 70_000
    assert sorted(path.name for path in second.storage.rglob("*")) == [".archives", "documents", "x-ray.png"]


async def test_nobody_is_believed_but_the_platform_for_this_purpose(volume):
    strangers = tokens.SigningKey.generate()
    async with asking(volume("one")) as courier:
        assert (await courier.get("/health/live")).status_code == 200
        for headers in ({}, token("attest"), token(audience="another"), token(key=strangers)):
            assert (await courier.get("/files", headers=headers)).status_code in (401, 403), headers


async def test_a_tar_that_leads_out_or_is_none_changes_nothing(volume):
    settings = volume("one")
    kept = settings.storage / "documents" / "kept.txt"
    kept.write_text("still there")
    evil = io.BytesIO()
    with tarfile.open(fileobj=evil, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../outside.txt"))
    async with asking(settings) as courier:
        for content in (evil.getvalue(), b"no tar at all"):
            answer = await courier.put("/files", content=content, headers=token())
            assert (answer.status_code, answer.json()["errors"]) == (422, [{"code": "files_unreadable"}])
    assert kept.read_text() == "still there"
    assert not (settings.storage.parent / "outside.txt").exists()
