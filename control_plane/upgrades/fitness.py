"""Whether a tenant can be moved to a release. Pure: what its runtime proved against what the release's catalogue says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from control_plane.deployers.base import Attestation
from control_plane.releases.catalogue import Catalogue, older
from control_plane.releases.models import Release
from control_plane.releases.service import Offer

HAS_TABLES: Final = frozenset({"installed", "disabled", "to_upgrade", "to_remove"})
"""States in which a module's tables are there (seeds §5)."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What speaks against the move. One that is `overridable` is a rule of ours; the others are facts nobody can wish away."""

    code: str
    why: str
    overridable: bool = False


@dataclass(frozen=True)
class Installed:
    """What a tenant's database holds, by its runtime's own words."""

    core_version: str | None = None
    modules: Mapping[str, str | None] = field(default_factory=dict)
    """Version by name of every module that has tables."""
    heads: frozenset[str] = frozenset()

    @classmethod
    def of(cls, proof: Attestation) -> Self:
        modules = {module.name: module.version for module in proof.modules if module.state in HAS_TABLES}
        return cls(proof.core_version, modules, frozenset(proof.heads))


def obstacles(installed: Installed, target: Catalogue, current: Catalogue) -> tuple[Obstacle, ...]:
    """What keeps a database that holds `installed`, made by `current`, from being served by `target`."""
    return (*_missing(installed, target), *_behind(installed, target), *_ahead(installed, target, current), *_older_core(installed, target))


def _missing(installed: Installed, target: Catalogue) -> Iterable[Obstacle]:
    for name in sorted(installed.modules.keys() - target.modules.keys()):
        why = f"{name} is installed, and {target.why_absent(name)}. Remove it from the clinic first, or register a release that has it."
        yield Obstacle("module_missing", why)


def _behind(installed: Installed, target: Catalogue) -> Iterable[Obstacle]:
    for name, version in sorted(installed.modules.items()):
        offered = target.modules.get(name)
        if offered is not None and version is not None and older(offered.version, version):
            why = f"{name} {version} is installed and the release has {offered.version}: data never goes back by itself. Restore a backup."
            yield Obstacle("module_older", why)


def _ahead(installed: Installed, target: Catalogue, current: Catalogue) -> Iterable[Obstacle]:
    known = target.revisions
    if known is None:
        return
    owners = {revision: name for name, module in current.modules.items() for revision in module.revisions or ()}
    for head in sorted(installed.heads - known):
        owner = owners.get(head, "the core" if head in (current.core_revisions or ()) else "a module")
        if owner in target.modules or owner not in current.modules:
            why = f"The tables of {owner} are at {head}, which the release does not know. Restore a backup, or choose a newer one."
            yield Obstacle("tables_ahead", why)


def _older_core(installed: Installed, target: Catalogue) -> Iterable[Obstacle]:
    if installed.core_version is not None and older(target.core_version, installed.core_version):
        why = f"Core {installed.core_version} runs and the release has {target.core_version}: nobody goes backwards unless asked to."
        yield Obstacle("release_older", why, overridable=True)


def reservations(release: Release, offer: Offer, *, pinned: str | None) -> tuple[Obstacle, ...]:
    """What our own rules say against moving a tenant with this offer and pin to `release`."""
    found = []
    if pinned is not None and pinned != release.id:
        found.append(Obstacle("pinned", f"The clinic is pinned to {pinned}. Unpin it, or say `override`.", overridable=True))
    if release.yanked_at is not None:
        found.append(Obstacle("release_yanked", f"The release was yanked: {release.yanked_reason}. Choose another.", overridable=True))
    if release.channel not in offer.channels:
        why = f"The release is in the channel {release.channel}, which the clinic does not get. Promote it, or change the clinic's channel."
        found.append(Obstacle("other_channel", why, overridable=True))
    if offer.until is not None and release.registered_at > offer.until:
        why = "The release is younger than the minimum age of the channel. Wait, or say `override`."
        found.append(Obstacle("release_too_young", why, overridable=True))
    return tuple(found)
