"""Freezing a plan: who is a member, in which wave and in which order, and who is left out and why. Pure; done once per campaign."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from control_plane.campaigns.strategy import REST, Strategy, amount


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tenant as the platform knows it when the plan is made."""

    tenant_id: UUID
    slug: str
    release_id: str
    out: tuple[str, str] | None = None
    """Why it is left out: a code and a sentence."""


@dataclass(frozen=True, slots=True)
class PlannedMember:
    tenant_id: UUID
    slug: str
    release_id: str
    rank: int
    """Order within the campaign, lowest first."""
    wave: int | None
    out: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class PlannedWave:
    position: int
    name: str
    size: int
    parallel: int
    approval: bool
    soak_minutes: int
    canary: bool


@dataclass(frozen=True, slots=True)
class Plan:
    waves: tuple[PlannedWave, ...]
    members: tuple[PlannedMember, ...]


def freeze(candidates: Iterable[Candidate], strategy: Strategy, *, seed: str) -> Plan:
    """Canaries first, those named before those by lot, then the waves in order. The same input and seed give the same plan."""
    everybody = list(candidates)
    named = {slug: place for place, slug in enumerate(strategy.canary_tenants)}
    able = sorted(
        (one for one in everybody if one.out is None), key=lambda one: (named.get(one.slug, len(named)), _lot(seed, one.tenant_id))
    )
    sizes = _sizes(strategy, able, sum(one.slug in named for one in able))
    waves: list[PlannedWave] = []
    members: list[PlannedMember] = []
    taken = 0
    for position, (name, size, parallel, approval, soak, canary) in enumerate(sizes):
        waves.append(PlannedWave(position, name, size, parallel, approval, soak, canary))
        for one in able[taken : taken + size]:
            members.append(PlannedMember(one.tenant_id, one.slug, one.release_id, len(members), position))
        taken += size
    left_out = sorted((one for one in everybody if one.out is not None), key=lambda one: one.slug)
    for one in left_out:
        members.append(PlannedMember(one.tenant_id, one.slug, one.release_id, len(members), None, one.out))
    return Plan(tuple(waves), tuple(members))


def _lot(seed: str, tenant_id: UUID) -> str:
    return hashlib.sha256(f"{seed} {tenant_id}".encode()).hexdigest()


def _sizes(strategy: Strategy, able: Sequence[Candidate], named: int) -> list[tuple[str, int, int, bool, int, bool]]:
    """(name, size, at once, approval, soak, canary) of each wave that has members."""
    total, found = len(able), []
    canary = min(total, max(strategy.canary, named))
    if canary:
        found.append(("canary", canary, min(canary, amount(strategy.parallel, canary)), False, strategy.canary_soak_minutes, True))
    left, first = total - canary, True
    for number, shape in enumerate(strategy.waves, start=1):
        size = left if shape.size == REST else min(left, amount(shape.size, total))
        if size:
            approval = shape.approval or (first and bool(canary) and strategy.approve_after_canary)
            parallel = min(size, amount(shape.parallel or strategy.parallel, size))
            found.append((f"wave {number}", size, parallel, approval, shape.soak_minutes, False))
            left, first = left - size, False
    if left:
        approval = first and bool(canary) and strategy.approve_after_canary
        found.append((f"wave {len(strategy.waves) + 1}", left, min(left, amount(strategy.parallel, left)), approval, 0, False))
    return found
