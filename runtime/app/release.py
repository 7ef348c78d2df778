"""What this environment is, as one canonical JSON text: core, modules with their manifests and heads, the schemas of the contract.

`dentalpin release describe` prints it; the platform runs that in a runtime environment to make its catalogue. The digest of exactly this
text is the release's id, so it holds nothing that differs between two machines with the same packages.
"""

import logging
from pathlib import Path
from typing import Any, Final

from app.core.plugins.errors import PluginError
from app.core.plugins.loader import DiscoveredModule, Discovery, discover_modules
from app.core.plugins.revisions import CORE, RevisionBook, read_book
from app.core.runtime import attestation, revision
from app.core.runtime.fingerprint import core_version
from dentalpin_kit.canonical import canonical_json, digest_text

logger = logging.getLogger(__name__)

SCHEMA: Final = 1


def describe(discovery: Discovery | None = None) -> dict[str, Any]:
    """The catalogue. A package that cannot be loaded is none of its modules; `unusable` says why, to whoever asks for it."""
    discovery = discover_modules() if discovery is None else discovery
    folders = {module.name: folder for module in discovery if (folder := _versions(module)) is not None}
    book = read_book(folders, {})
    unusable = {name: str(error) for name, error in discovery.errors.items()}
    unusable |= {module.name: why for module in discovery if (why := _why_unusable(module, book)) is not None}
    for name, why in unusable.items():
        logger.error("%s is left out of the release: %s", name, why)
    return {
        "schema": SCHEMA,
        "core_version": core_version(),
        # Which revisions it has, so that the platform can tell whether a clinic's tables are ahead of it.
        "core_revisions": _revisions(book, CORE),
        "modules": {module.name: _entry(module, book) for module in discovery if module.name not in unusable},
        "unusable": unusable,
        "schemas": {"revision": revision.json_schema(), "attestation": attestation.json_schema()},
    }


def describe_text(discovery: Discovery | None = None) -> str:
    """The catalogue as the text whose digest is the release's id."""
    return canonical_json(describe(discovery))


def release_id(discovery: Discovery | None = None) -> str:
    return digest_text(describe_text(discovery))


def _versions(module: DiscoveredModule) -> Path | None:
    try:
        return module.versions_path
    except PluginError:
        return None


def _why_unusable(module: DiscoveredModule, book: RevisionBook) -> str | None:
    """Why a package is no module of this release, without its place on this machine; None when it is one."""
    try:
        _ = module.manifest
        broken = book.errors.get(module.name)
    except PluginError as error:
        return error.message
    return str(broken).replace(f"{module.package_path.parent}/", "") if broken is not None else None


def _entry(module: DiscoveredModule, book: RevisionBook) -> dict[str, Any]:
    facts = {"heads": list(book.heads(module.name)), "revisions": _revisions(book, module.name)}
    return {**module.manifest.snapshot(), "distribution": module.distribution, **facts}


def _revisions(book: RevisionBook, owner: str) -> list[str]:
    return [revision.revision for revision in book.of(owner)]
