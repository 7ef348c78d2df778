"""What an archive says is what it holds, and nobody else's word counts."""

import json
import shutil
import zipfile
from datetime import UTC, datetime

import pytest

from dentalpin_kit.archives import (
    ArchiveDamaged,
    ArchiveTooNew,
    ArchiveUntrusted,
    ArchiveWriter,
    Member,
    read_manifest,
    sign_archive,
    unpack,
    verify_archive,
)
from dentalpin_kit.tokens import SigningKey

KEY = SigningKey.generate()
AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def archive(tmp_path):
    big = tmp_path / "big"
    big.write_bytes(b"patients " * 400_000)
    writer = ArchiveWriter(tmp_path / "export.zip")
    writer.add("data/patients.csv", "Ana,Núñez\n".encode())
    writer.add_file("database.dump", big, stored=True)
    writer.close({"clinics": ["Sol"]})
    sign_archive(tmp_path / "export.zip", KEY, at=AT)
    return tmp_path / "export.zip"


def changed(archive, change):
    """A copy of the archive with its members as `change(members)` leaves them."""
    with zipfile.ZipFile(archive) as source:
        members = {name: source.read(name) for name in source.namelist()}
    change(members)
    copy = archive.with_name("changed.zip")
    with zipfile.ZipFile(copy, "w") as target:
        for name, content in members.items():
            target.writestr(name, content)
    return copy


def test_an_archive_is_read_back_with_its_signer(archive):
    verified = verify_archive(archive, trusted=KEY.public)

    assert verified.signed_by == KEY.public
    assert verified.manifest["clinics"] == ["Sol"]
    assert [(member.path, member.bytes) for member in verified.members] == [("data/patients.csv", 12), ("database.dump", 3_600_000)]
    assert read_manifest(archive) == verified.manifest


def test_signing_again_changes_nothing(archive):
    before = archive.read_bytes()

    sign_archive(archive, SigningKey.generate(), at=AT)

    assert archive.read_bytes() == before


def test_a_member_is_unpacked_for_its_owner_alone(archive, tmp_path):
    member = verify_archive(archive).members[0]

    unpack(archive, member, tmp_path / "patients.csv")

    assert (tmp_path / "patients.csv").read_text() == "Ana,Núñez\n"
    assert (tmp_path / "patients.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda members: members.update({"data/patients.csv": b"Ana,Nunez \n\n"}), "not what was exported"),
        (lambda members: members.update({"data/patients.csv": b""}), "recorded size"),
        (lambda members: members.pop("database.dump"), "database.dump is missing"),
        (lambda members: members.update({"data/more.csv": b""}), "data/more.csv is not in its manifest"),
        (lambda members: members.pop("manifest.json"), "no manifest.json"),
    ],
    ids=["altered", "emptied", "removed", "added", "no manifest"],
)
def test_what_was_tampered_with_is_refused(archive, change, says):
    with pytest.raises(ArchiveDamaged, match=says):
        verify_archive(changed(archive, change))


def test_a_manifest_changed_after_signing_is_refused(archive):
    def rename(members):
        manifest = json.loads(members["manifest.json"])
        members["manifest.json"] = json.dumps({**manifest, "clinics": ["Luna"]}).encode()

    with pytest.raises(ArchiveUntrusted, match="changed after it was signed"):
        verify_archive(changed(archive, rename))


def test_another_signer_than_expected_is_refused(archive):
    other = SigningKey.generate().public

    with pytest.raises(ArchiveUntrusted, match="not by"):
        verify_archive(archive, trusted=other)


def test_an_unsigned_archive_is_whole_but_signed_by_nobody(archive):
    unsigned = changed(archive, lambda members: members.pop("signature.json"))

    assert verify_archive(unsigned).signed_by is None
    with pytest.raises(ArchiveUntrusted, match="not signed"):
        verify_archive(unsigned, trusted=KEY.public)


def test_a_file_cut_short_or_of_another_kind_is_refused(archive, tmp_path):
    short = tmp_path / "short.zip"
    shutil.copy(archive, short)
    with short.open("r+b") as stream:
        stream.truncate(short.stat().st_size // 2)

    for file in (short, tmp_path / "big", tmp_path / "nowhere.zip"):
        with pytest.raises(ArchiveDamaged):
            verify_archive(file)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "a\\..\\b", "./a", "a\nb"])
def test_names_that_would_leave_the_folder_are_refused(archive, name):
    def smuggle(members):
        manifest = json.loads(members["manifest.json"])
        manifest["files"].append({"path": name, "bytes": 0, "sha256": "0" * 64})
        members["manifest.json"] = json.dumps(manifest).encode()
        members[name] = b""
        members.pop("signature.json")

    with pytest.raises(ArchiveDamaged):
        verify_archive(changed(archive, smuggle))
    with pytest.raises(ValueError, match="cannot be the name"):
        ArchiveWriter(archive.with_name("writing.zip")).add(name, b"")


def test_a_later_format_is_not_guessed_at(tmp_path):
    writer = ArchiveWriter(tmp_path / "later.zip")
    writer.close({"clinics": []})
    later = changed(tmp_path / "later.zip", lambda members: members.update({"manifest.json": b'{"format": 2, "files": []}'}))

    with pytest.raises(ArchiveTooNew, match="format 2"):
        verify_archive(later)


def test_a_member_that_changed_since_it_was_verified_is_noticed(archive, tmp_path):
    with pytest.raises(ArchiveDamaged, match="changed while it was read"):
        unpack(archive, Member("data/patients.csv", 12, "0" * 64), tmp_path / "out")
