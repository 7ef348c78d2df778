"""From obligations to modules: a manifest says which obligations it fulfils; what nothing fulfils is shown as unmet."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from control_plane.compliance.requirements import Finding, Requirements, Status

Manifests = Mapping[str, Mapping[str, Any]]


class Match(BaseModel):
    """What requirements mean for the modules of one release. A finding says why, by its rule."""

    model_config = ConfigDict(frozen=True)

    required: dict[str, tuple[Finding, ...]]
    forbidden: dict[str, Finding]
    unmet: tuple[Finding, ...]
    fulfilled_by: dict[str, str]


def match(requirements: Requirements, catalogue_manifests: Manifests, chosen: frozenset[str] = frozenset()) -> Match:
    """Modules the law adds, modules it refuses, and required obligations no usable module of the catalogue fulfils.

    Where several modules fulfil an obligation, a chosen one is taken, then an official one, then the first by name. A module that
    fulfils one forbidden obligation is refused whole, whatever else it does.
    """
    fulfils = {name: frozenset(manifest.get("fulfils") or ()) for name, manifest in catalogue_manifests.items()}
    forbidden = {
        name: finding
        for finding in requirements.with_status(Status.FORBIDDEN)
        for name, ids in sorted(fulfils.items())
        if finding.id in ids
    }
    required: dict[str, list[Finding]] = {}
    unmet: list[Finding] = []
    fulfilled_by: dict[str, str] = {}
    for finding in requirements.with_status(Status.REQUIRED):
        candidates = [name for name, ids in fulfils.items() if finding.id in ids and name not in forbidden]
        if not candidates:
            unmet.append(finding)
            continue
        best = min(candidates, key=lambda name: (name not in chosen, catalogue_manifests[name].get("category") != "official", name))
        required.setdefault(best, []).append(finding)
        fulfilled_by[finding.id] = best
    return Match(
        required={name: tuple(why) for name, why in required.items()}, forbidden=forbidden, unmet=tuple(unmet), fulfilled_by=fulfilled_by
    )
