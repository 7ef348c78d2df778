"""Export archives: a ZIP whose `manifest.json` names every other member by size and SHA-256, and whose `signature.json` signs the manifest.

The runtime writes them and starts from them; the platform signs them. ZIP, because a clinic's owner opens it by a double click.
Nothing in an archive is trusted before `verify` has read all of it: what it does not list is refused, and so are names that leave it.
"""

import base64
import binascii
import hashlib
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from dentalpin_kit.problems import DomainError
from dentalpin_kit.tokens import SigningKey

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
CHECKSUMS: Final = "SHA256SUMS"
SIGNATURE: Final = "signature.json"
_UNLISTED: Final = frozenset({MANIFEST, CHECKSUMS, SIGNATURE})
_MANIFEST_LIMIT: Final = 64 << 20
_CHUNK: Final = 1 << 20
_SAFE: Final = re.compile(r"^(?!/)(?!.*(?:^|/)\.\.?(?:/|$))[^\\\x00-\x1f]+$")
_CONTEXT: Final = b"dentalpin export archive v1\n"
"""Signed before the manifest, so that a signature made for something else is none here."""


class ArchiveDamaged(DomainError):
    """Not an export archive, or not all of it."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "archive_damaged"

    def __init__(self, reason: str) -> None:
        super().__init__(f"This archive cannot be used: {reason}. Nothing was changed. Get it again from where it was exported.")


class ArchiveTooNew(DomainError):
    status: ClassVar[int] = 422
    code: ClassVar[str] = "archive_too_new"

    def __init__(self, given: object) -> None:
        super().__init__(f"The archive has format {given}, this version reads up to {FORMAT}. Nothing was changed. Use a newer version.")


class ArchiveUntrusted(DomainError):
    """No signature, one that does not fit, or one by somebody else than expected."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "archive_untrusted"


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Verified:
    """An archive whose every member was read and found to be what the manifest says."""

    manifest: Mapping[str, Any]
    members: tuple[Member, ...]
    signed_by: str | None
    """The signer's public key (base64url); None for an archive nobody signed."""


class ArchiveWriter:
    """Writes one archive. `add*` in any order, then `close(manifest)`: without it the file is no archive."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED, allowZip64=True)
        self._members: list[Member] = []

    def add(self, name: str, content: bytes) -> Member:
        with self._zip.open(_entry(name), "w", force_zip64=True) as target:
            target.write(content)
        return self._note(Member(name, len(content), hashlib.sha256(content).hexdigest()))

    def add_file(self, name: str, source: Path, *, stored: bool = False) -> Member:
        """`stored`: it is compressed already."""
        digest, size = hashlib.sha256(), 0
        with source.open("rb") as stream, self._zip.open(_entry(name, stored=stored), "w", force_zip64=True) as target:
            while block := stream.read(_CHUNK):
                digest.update(block)
                size += len(block)
                target.write(block)
        return self._note(Member(name, size, digest.hexdigest()))

    def close(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Write the manifest: `facts` with the format and the members. The manifest as written."""
        listed = sorted(self._members, key=lambda member: member.path)
        files = [{"path": member.path, "bytes": member.bytes, "sha256": member.sha256} for member in listed]
        manifest = {"format": FORMAT, **facts, "files": files}
        text = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"
        sums = [f"{member.sha256}  {member.path}\n" for member in listed]
        sums.append(f"{hashlib.sha256(text).hexdigest()}  {MANIFEST}\n")
        self._zip.writestr(_entry(MANIFEST), text)
        self._zip.writestr(_entry(CHECKSUMS), "".join(sums))
        self._zip.close()
        return manifest

    def abandon(self) -> None:
        """Let go of the file, which is no archive."""
        self._zip.close()

    def _note(self, member: Member) -> Member:
        if not _SAFE.match(member.path) or member.path in _UNLISTED:
            raise ValueError(f"{member.path!r} cannot be the name of a member")
        self._members.append(member)
        return member


def sign_archive(path: Path, key: SigningKey, *, at: datetime) -> None:
    """Add the signature of the manifest as it stands. An archive that has one is left as it is: the step may be repeated."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    with _opened(path) as archive:
        if SIGNATURE in archive.namelist():
            return
        manifest = _read_manifest_bytes(archive)
    signature = Ed25519PrivateKey.from_private_bytes(_raw(key.private)).sign(_CONTEXT + manifest)
    document = {"algorithm": "Ed25519", "public_key": key.public, "signature": _text(signature), "signed_at": at.isoformat()}
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        archive.writestr(_entry(SIGNATURE), json.dumps(document, indent=1) + "\n")


def verify_archive(path: Path, *, trusted: str | None = None) -> Verified:
    """Read the whole archive and compare it with its manifest.

    With `trusted`, only that key's signature will do. Without, a signature that is there must still be right, and whose it is is for the
    caller to judge. Raises ArchiveDamaged, ArchiveTooNew, ArchiveUntrusted.
    """
    with _opened(path) as archive:
        names = archive.namelist()
        if len(names) != len(set(names)):
            raise ArchiveDamaged("it holds a name twice")
        text = _read_manifest_bytes(archive)
        signed_by = _verify_signature(archive, text, trusted)
        manifest = _parse(text)
        members = tuple(_members(manifest))
        expected = {member.path for member in members}
        if missing := sorted(expected - set(names)):
            raise ArchiveDamaged(f"{missing[0]} is missing")
        if extra := sorted(set(names) - expected - _UNLISTED):
            raise ArchiveDamaged(f"{extra[0]} is not in its manifest")
        for member in members:
            _verify_member(archive, member)
    return Verified(manifest, members, signed_by)


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest alone, not compared with anything. Raises ArchiveDamaged, ArchiveTooNew."""
    with _opened(path) as archive:
        return _parse(_read_manifest_bytes(archive))


def unpack(path: Path, member: Member, target: Path) -> None:
    """Write one verified member to `target` (0600), which must not exist; compared once more, since the file may have changed since."""
    with _opened(path) as archive, archive.open(member.path) as source, target.open("xb") as stream:
        target.chmod(0o600)
        digest = hashlib.sha256()
        while block := source.read(_CHUNK):
            digest.update(block)
            stream.write(block)
    if digest.hexdigest() != member.sha256:
        raise ArchiveDamaged(f"{member.path} changed while it was read")


def _verify_member(archive: zipfile.ZipFile, member: Member) -> None:
    if archive.getinfo(member.path).file_size != member.bytes:
        raise ArchiveDamaged(f"{member.path} does not have its recorded size")
    digest = hashlib.sha256()
    try:
        with archive.open(member.path) as stream:
            while block := stream.read(_CHUNK):
                digest.update(block)
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise ArchiveDamaged(f"{member.path} cannot be read ({type(error).__name__})") from None
    if digest.hexdigest() != member.sha256:
        raise ArchiveDamaged(f"{member.path} is not what was exported")


def _verify_signature(archive: zipfile.ZipFile, manifest: bytes, trusted: str | None) -> str | None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if SIGNATURE not in archive.namelist():
        if trusted is not None:
            raise ArchiveUntrusted("The archive is not signed, and a signer was asked for. Get the archive from the platform again.")
        return None
    try:
        document = json.loads(archive.read(SIGNATURE))
        public, signature = document["public_key"], _raw(document["signature"])
        Ed25519PublicKey.from_public_bytes(_raw(public)).verify(signature, _CONTEXT + manifest)
    except InvalidSignature:
        raise ArchiveUntrusted("The archive's manifest was changed after it was signed. Nothing was changed. Get it again.") from None
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ArchiveUntrusted(f"The archive's signature cannot be read ({type(error).__name__}). Get the archive again.") from None
    if trusted is not None and public != trusted:
        raise ArchiveUntrusted(f"The archive was signed by {public}, not by {trusted}. Compare with the key your platform publishes.")
    return str(public)


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise ArchiveDamaged(f"there is no file {path}") from None
    except (zipfile.BadZipFile, OSError) as error:
        raise ArchiveDamaged(f"{path.name} is no ZIP archive, or was cut short ({type(error).__name__})") from None


def _read_manifest_bytes(archive: zipfile.ZipFile) -> bytes:
    try:
        if archive.getinfo(MANIFEST).file_size > _MANIFEST_LIMIT:
            raise ArchiveDamaged(f"its {MANIFEST} is larger than any manifest")
        return archive.read(MANIFEST)
    except KeyError:
        raise ArchiveDamaged(f"it has no {MANIFEST}, so it is no export") from None
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise ArchiveDamaged(f"its {MANIFEST} cannot be read ({type(error).__name__})") from None


def _parse(text: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(text)
    except ValueError:
        raise ArchiveDamaged(f"its {MANIFEST} is not JSON") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("format"), int):
        raise ArchiveDamaged(f"its {MANIFEST} names no format")
    if manifest["format"] > FORMAT:
        raise ArchiveTooNew(manifest["format"])
    return manifest


def _members(manifest: Mapping[str, Any]) -> Iterator[Member]:
    try:
        for file in manifest["files"]:
            member = Member(str(file["path"]), int(file["bytes"]), str(file["sha256"]))
            if not _SAFE.match(member.path):
                raise ArchiveDamaged(f"{member.path!r} would leave the folder it is unpacked to")
            yield member
    except (KeyError, TypeError, ValueError):
        raise ArchiveDamaged(f"its {MANIFEST} does not list its files") from None


def _entry(name: str, *, stored: bool = False) -> zipfile.ZipInfo:
    # The same time for every member: the same content gives the same bytes.
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _raw(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise ValueError("not base64url") from error
