"""A deployer in memory: thousands of tenants, each behaving as a runtime would, and failing as it is told.

What it is told to do wrong is a list of rules. It serves what was applied last, unless a rule says otherwise of that tenant or release;
data lies in a SimulatedDatabases beside it, which a release "migrates" when it starts, or half-migrates when it is to fail half-way.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from control_plane.clock import Clock
from control_plane.deployers.base import (
    Attestation,
    DatabaseAddress,
    DeployerUnavailable,
    Glimpse,
    Observation,
    ObservationStatus,
    Placement,
    RoleVerifiers,
    RuntimeRefused,
)
from control_plane.simulators.databases import SimulatedDatabases

# Of the password "x"; nobody signs in with it.
VERIFIER: Final = (
    "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$uxdRDgGpaywCjBPJLKs8cWdTLVxRk7mkcCjlcYXZ0Kk=:Dx25sMqPChJkgVtVoLJFP5VaZ/jE0RfX6pjWlqbfZvA="
)
_AHEAD: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Rule:
    """What goes wrong, for whom: the tenants named, or all; with the release named, or any."""

    tenants: frozenset[UUID] | None = None
    release: str | None = None
    fails: str | None = None
    """It does not start, for this reason; what served before goes on serving."""
    half_way: bool = False
    """It changed the data before it failed."""
    stale: bool = False
    """It goes on attesting the generation before, healthy as ever."""
    silent: bool = False
    """It never becomes ready."""
    away: str | None = None
    """Its place does not answer, for this reason."""

    def concerns(self, tenant_id: UUID, release: str) -> bool:
        return (self.tenants is None or tenant_id in self.tenants) and self.release in (None, release)


@dataclass(slots=True)
class Place:
    """What the deployer holds of one tenant."""

    revision: Mapping[str, Any] | None = None
    serving: Attestation | None = None
    """Of the revision that serves."""
    started: Attestation | None = None
    """Of the revision applied, once made."""
    stopped: bool = False
    idle: bool = False
    busy_until: datetime | None = None
    applied: list[int] = field(default_factory=list)
    """Generations in the order in which they were carried out."""


class SimulatedDeployer:
    """`rules` may be changed at any time; the first that concerns a tenant counts."""

    def __init__(self, databases: SimulatedDatabases, clock: Clock) -> None:
        self.databases = databases
        self.clock = clock
        self.places: dict[UUID, Place] = {}
        self.rules: list[Rule] = []
        self.calls = 0
        """How often anything was asked of it."""

    def _rule(self, tenant_id: UUID, release: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.concerns(tenant_id, release)), None)

    def _place(self, tenant_id: UUID) -> Place:
        self.calls += 1
        place = self.places.get(tenant_id)
        if place is None:
            place = self.places[tenant_id] = Place()
        release = str(place.revision["release"]["id"]) if place.revision is not None else ""
        rule = self._rule(tenant_id, release)
        if rule is not None and rule.away is not None:
            raise DeployerUnavailable(rule.away)
        return place

    async def ensure_secrets(self, tenant_id: UUID, serial: int = 0) -> RoleVerifiers:
        self._place(tenant_id)
        return RoleVerifiers(VERIFIER, VERIFIER)

    async def forget_secrets(self, tenant_id: UUID, *, keep: int) -> None:
        self._place(tenant_id)

    async def apply(self, tenant: Placement, revision: dict[str, Any], database: DatabaseAddress) -> None:
        place = self._place(tenant.tenant_id)
        generation = int(revision["generation"])
        if place.revision is not None and place.revision["generation"] > generation:
            raise RuntimeRefused("an older generation than the one applied", answered=409, code="older_generation")
        if place.revision is not None and place.revision["generation"] == generation and not place.stopped:
            return
        place.revision, place.stopped, place.started = revision, False, None
        place.applied.append(generation)
        self._start(tenant.tenant_id, place, revision)

    def _start(self, tenant_id: UUID, place: Place, revision: Mapping[str, Any]) -> None:
        release = str(revision["release"]["id"])
        rule = self._rule(tenant_id, release)
        data = self.databases.data.setdefault(tenant_id, {"schema": None, "rows": {}})
        if rule is None or not (rule.fails or rule.silent or rule.stale):
            data["schema"] = release
        elif rule.half_way:
            data["schema"] = f"half of {release}"
            data["rows"] = {}

    async def observe(self, tenant_id: UUID) -> Observation:
        place = self._place(tenant_id)
        if place.revision is None or place.stopped:
            return Observation(ObservationStatus.ABSENT, reason="nothing is applied")
        generation = int(place.revision["generation"])
        rule = self._rule(tenant_id, str(place.revision["release"]["id"]))
        if rule is not None and rule.fails is not None:
            return Observation(ObservationStatus.FAILED, place.serving, generation, rule.fails)
        if rule is not None and rule.silent:
            return Observation(ObservationStatus.STARTING, None, generation)
        if rule is not None and rule.stale and place.serving is not None:
            return Observation(ObservationStatus.ATTESTED, place.serving, generation)
        if place.idle:
            return Observation(ObservationStatus.IDLE, None, generation)
        return Observation(ObservationStatus.ATTESTED, self._proof(tenant_id, place), generation)

    def _proof(self, tenant_id: UUID, place: Place) -> Attestation:
        assert place.revision is not None
        if place.started is None:
            place.started = place.serving = attested(tenant_id, place.revision)
        return place.started

    async def survey(self) -> Mapping[UUID, Glimpse]:
        self.calls += 1
        return {tenant_id: self._glimpse(tenant_id, place) for tenant_id, place in self.places.items() if place.revision is not None}

    def _glimpse(self, tenant_id: UUID, place: Place) -> Glimpse:
        if place.revision is None or place.stopped:
            return Glimpse(ObservationStatus.ABSENT)
        generation = int(place.revision["generation"])
        rule = self._rule(tenant_id, str(place.revision["release"]["id"])) if self.rules else None
        if rule is not None and rule.away is not None:
            raise DeployerUnavailable(rule.away)
        if rule is not None and rule.fails is not None:
            return Glimpse(ObservationStatus.FAILED, generation)
        if rule is not None and rule.silent:
            return Glimpse(ObservationStatus.STARTING, generation)
        return Glimpse(ObservationStatus.IDLE if place.idle else ObservationStatus.ATTESTED, generation)

    async def request(
        self, tenant_id: UUID, method: str, path: str, json: dict[str, Any] | None = None, token: str | None = None
    ) -> dict[str, Any]:
        place = self._place(tenant_id)
        if place.revision is None or token is None:
            raise DeployerUnavailable("nothing is applied")
        if path.endswith("/attestation"):
            return {"data": self._proof(tenant_id, place).model_dump(mode="json")}
        if "/idle-slots" in path:
            now = self.clock.now()
            start = max(now, place.busy_until or now)
            slots = [{"start": start.isoformat(), "end": (now + _AHEAD).isoformat()}] if start < now + _AHEAD else []
            return {"data": {"now": now.isoformat(), "slots": slots, "failed": []}}
        return {}

    async def control_channels(self) -> dict[UUID, str]:
        return {tenant_id: "127.0.0.1:9" for tenant_id, place in self.places.items() if place.revision is not None and not place.idle}

    async def files(self, tenant_id: UUID) -> AsyncGenerator[bytes, None]:
        """A folder without files, as a tar."""
        yield bytes(1024)

    async def replace_files(self, tenant_id: UUID, content: AsyncIterable[bytes]) -> None:
        async for _ in content:
            pass

    async def stop(self, tenant_id: UUID) -> None:
        self._place(tenant_id).stopped = True

    async def remove(self, tenant_id: UUID) -> None:
        self.places.pop(tenant_id, None)

    async def address(self, tenant_id: UUID) -> str:
        return f"http://{tenant_id.hex[:8]}.clinics.example"


def attested(tenant_id: UUID, revision: Mapping[str, Any]) -> Attestation:
    """What a runtime that runs `revision` well says."""
    modules = [
        {"name": module["name"], "version": module["version"], "state": "installed", "mounted": True} for module in revision["modules"]
    ]
    return Attestation.model_validate(
        {
            "tenant_id": tenant_id,
            "generation": revision["generation"],
            "identity": revision["digests"]["identity"],
            "effect": revision["digests"]["effect"],
            "core_version": revision["release"]["core_version"],
            "release_id": revision["release"]["id"],
            "healthy": True,
            "modules": modules,
            "as_asked": True,
        }
    )
