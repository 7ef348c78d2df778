"""What this environment is, as one canonical JSON text: core, modules with their manifests and heads, the schemas of the contract.

`dentalpin release describe` prints it; the platform runs that in a runtime environment to make its catalogue. The digest of exactly this
text is the release's id, so it holds nothing that differs between two machines with the same packages.
"""

import logging
from pathlib import Path
from typing import Any, Final

from app.core.plugins.errors import PluginError
from app.core.plugins.loader import DiscoveredModule, Discovery, discover_modules
from app.core.plugins.revisions import RevisionBook, read_book
from app.core.runtime import attestation, revision
from app.core.runtime.fingerprint import core_version
from dentalpin_kit.canonical import canonical_json, digest_text

logger = logging.getLogger(__name__)

SCHEMA: Final = 1


def describe(discovery: Discovery | None = None) -> dict[str, Any]:
    """The catalogue. A package that cannot be loaded is not part of it; the log says why."""
    discovery = discover_modules() if discovery is None else discovery
    folders = {module.name: folder for module in discovery if (folder := _versions(module)) is not None}
    book = read_book(folders, {})
    return {
        "schema": SCHEMA,
        "core_version": core_version(),
        "modules": {module.name: entry for module in discovery if (entry := _entry(module, book)) is not None},
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


def _entry(module: DiscoveredModule, book: RevisionBook) -> dict[str, Any] | None:
    if (broken := book.errors.get(module.name)) is not None:
        logger.error("%s is left out of the release: %s", module.name, broken)
        return None
    try:
        manifest = module.manifest
    except PluginError as error:
        logger.error("%s is left out of the release: %s", module.name, error.message)
        return None
    return {**manifest.snapshot(), "distribution": module.distribution, "heads": list(book.heads(module.name))}
