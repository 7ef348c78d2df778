"""A module as its package has it, and what the books remember of it. Apart from `operation`, so that a serving process, which only
looks at packages, does not import what migrates them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .loader import DiscoveredModule
from .manifest import Manifest

if TYPE_CHECKING:
    from .revisions import OwnedRevision


@dataclass(frozen=True, slots=True)
class Target:
    """The module an operation works on."""

    found: DiscoveredModule
    manifest: Manifest

    @property
    def name(self) -> str:
        return self.found.name


def snapshot(target: Target, own: "Sequence[OwnedRevision]") -> dict[str, Any]:
    """What the books keep of a package: its manifest, which package it is, and how its revisions hang together."""
    package = {"fingerprint": target.found.fingerprint, "distribution": target.found.distribution}
    return {**target.manifest.snapshot(), "package": package, "revisions": [revision.remembered() for revision in own]}
